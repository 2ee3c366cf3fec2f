import { once } from "node:events";
import { connect as dial, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { proxyAuthorization, type Target } from "../support/gateway.ts";
import type { Case } from "./case.ts";

/** Milliseconds for the gateway to take a connection, a CONNECT, a handshake. */
const PATIENCE = 10_000;

/**
 * Does what the case says. Whatever the gateway answers is well, so long as it takes the connection.
 *
 * @throws when the gateway takes no connection, or grants no valid tunnel, in time.
 */
export async function play(target: Target, { door, actions, reads }: Case): Promise<void> {
  const socket = dial(target.port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  const patience = setTimeout(() => socket.destroy(), PATIENCE);
  try {
    await once(socket, "connect");
    const channel = door.type === "port" ? socket : await tunnel(socket, target, door);
    if (reads) channel.resume();
    for (const action of actions) {
      if (channel.destroyed) break;
      if (action.type === "write") channel.write(action.bytes);
      else if (action.type === "end") channel.end();
      else if (action.type === "reset") socket.resetAndDestroy();
      else await delay(action.milliseconds);
    }
    channel.destroy();
  } finally {
    clearTimeout(patience);
    socket.destroy();
  }
}

async function tunnel(
  socket: Socket,
  { ca }: Target,
  { host, protocol }: Extract<Case["door"], { type: "tunnel" }>,
): Promise<Socket> {
  const authorization = proxyAuthorization("fuzz")["proxy-authorization"];
  socket.write(
    `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\nProxy-Authorization: ${authorization}\r\n\r\n`,
  );
  const [answer] = await Promise.race([once(socket, "data"), closed(socket, "CONNECT")]);
  if (!/^HTTP\/1\.1 200 /.test(String(answer))) throw new Error(`CONNECT was answered: ${String(answer)}`);
  // Not on the socket itself: Node crashes when a socket is reset beneath its TLS.
  const [inner, outer] = duplexPair();
  socket.pipe(outer).pipe(socket);
  socket.once("close", () => outer.destroy());
  outer.on("error", () => socket.destroy());
  inner.on("error", () => socket.destroy());
  const secure = tlsConnect({ socket: inner, servername: host, ca, ALPNProtocols: [protocol] });
  secure.on("error", () => secure.destroy());
  await Promise.race([once(secure, "secureConnect"), closed(secure, "TLS")]);
  return secure;
}

async function closed(socket: Socket, during: string): Promise<never> {
  await once(socket, "close");
  throw new Error(`the gateway closed the connection during ${during}`);
}
