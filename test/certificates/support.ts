import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer as createNetServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  type CipherNameAndProtocol,
  type ConnectionOptions,
  connect,
  type PeerCertificate,
  type SecureContext,
  TLSSocket,
} from "node:tls";
import { promisify } from "node:util";

export const execFileAsync = promisify(execFile);

/**
 * For a test that needs the `openssl` command: why it is skipped on a machine without one. Under CI it is never skipped,
 * so that it fails there.
 */
export const withoutOpenssl: string | false =
  process.env.CI !== "true" && spawnSync("openssl", ["version"]).error !== undefined
    ? "there is no openssl command"
    : false;

/** An empty folder, gone when the test is over. */
export async function temporaryFolder(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bqtape-certificates-"));
  test.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** What `openssl verify -x509_strict` has to say; rejects when it does not accept the leaf for that host. */
export async function opensslVerify(
  test: TestContext,
  pems: { authority: string; leaf: string },
  ...options: string[]
): Promise<string> {
  const folder = await temporaryFolder(test);
  const authority = join(folder, "ca.pem");
  const leaf = join(folder, "leaf.pem");
  await writeFile(authority, pems.authority);
  await writeFile(leaf, pems.leaf);
  const purpose = ["-purpose", "sslserver"];
  const trust = ["-no-CApath", "-no-CAstore", "-CAfile", authority];
  const { stdout } = await execFileAsync("openssl", [
    "verify",
    "-x509_strict",
    ...purpose,
    ...trust,
    ...options,
    leaf,
  ]);
  return stdout.replace(leaf, "leaf").trim();
}

export interface Handshake {
  certificate: PeerCertificate;
  cipher: CipherNameAndProtocol;
  protocol: string | null;
  alpn: string | false | null;
  resumed: boolean;
  /** To resume with, once the server has sent a ticket. */
  session: Buffer | undefined;
}

/** A server as the gateway is one: it has the context before the client's first byte. */
export function terminating(secureContext: SecureContext): Server {
  return createNetServer((raw) => {
    const options = { isServer: true, secureContext, ALPNProtocols: ["h2", "http/1.1"] };
    const socket = new TLSSocket(raw, options);
    // The client's side of a failure is what is looked at.
    socket.on("error", () => {});
    socket.end("done");
  });
}

/** One TLS connection to a server, to its end; rejects with the client's error. */
export async function handshake(server: Server, client: ConnectionOptions): Promise<Handshake> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: "127.0.0.1", port, ...client });
    let session: Buffer | undefined;
    socket.on("session", (ticket) => {
      session = ticket;
    });
    await once(socket, "secureConnect");
    const seen = {
      certificate: socket.getPeerCertificate(),
      cipher: socket.getCipher(),
      protocol: socket.getProtocol(),
      alpn: socket.alpnProtocol,
      resumed: socket.isSessionReused(),
    };
    socket.resume();
    await once(socket, "close");
    return { ...seen, session };
  } finally {
    server.close();
  }
}
