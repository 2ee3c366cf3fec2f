import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { type Target, Unsupported } from "./load.ts";

export interface Agent {
  /** Names the agent's session to proxies that ask who is asking. */
  readonly session: string;
  readonly host: string;
  readonly alpn?: string;
}

const contexts = new Map<string, SecureContext>();

/** One context for each authority: to make one costs more than a handshake. */
function contextFor(ca: string): SecureContext {
  let context = contexts.get(ca);
  if (context === undefined) {
    context = createSecureContext({ ca });
    contexts.set(ca, context);
  }
  return context;
}

/** Opens a connection as an agent does: TCP, CONNECT when the target is a proxy, TLS without resumption. */
export async function open(target: Target, agent: Agent): Promise<TLSSocket> {
  const tcp = connectTcp({ host: "127.0.0.1", port: target.port, noDelay: true });
  await once(tcp, "connect");
  if (target.via === "connect") await tunnel(tcp, agent);
  const tls = connectTls({
    socket: tcp,
    servername: agent.host,
    secureContext: contextFor(target.ca),
    ...(agent.alpn !== undefined && { ALPNProtocols: [agent.alpn] }),
  });
  try {
    await once(tls, "secureConnect");
  } catch (cause) {
    tcp.destroy();
    throw cause;
  }
  return tls;
}

async function tunnel(socket: Socket, { host, session }: Agent): Promise<void> {
  const credentials = Buffer.from(`bqtape:${session}`).toString("base64");
  socket.write(
    `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
  );
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    head += chunk.toString("latin1");
  }
  if (!/^HTTP\/1\.1 200 /.test(head)) {
    socket.destroy();
    throw new Unsupported(`CONNECT ${host}: ${head.split("\r\n", 1)[0]}`);
  }
}
