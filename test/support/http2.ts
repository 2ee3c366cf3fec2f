import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST, STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { connect, proxyAuthorization, type Target } from "./gateway.ts";

/** An agent's HTTP/2 connection through a gateway: CONNECT, TLS with ALPN, preface. */
export async function openHttp2(
  { port, ca }: Target,
  { host = BIGQUERY_HOST, session }: { host?: string; session?: string } = {},
): Promise<ClientHttp2Session> {
  const proxied = await connect(
    port,
    `${host}:443`,
    session === undefined ? {} : proxyAuthorization(session),
  );
  if (proxied.status !== 200) throw new Error(`CONNECT ${host}: ${proxied.status}`);
  const secure = tlsConnect({ socket: proxied.socket, servername: host, ca, ALPNProtocols: ["h2"] });
  await once(secure, "secureConnect");
  const http2 = connectHttp2(`https://${host}`, { createConnection: () => secure });
  http2.on("error", () => undefined);
  await once(http2, "remoteSettings");
  return http2;
}

export interface Http2Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** 0 for a stream that ended as it should. */
  readonly rstCode: number;
}

/** Collects a stream's answer to its end, however it ends. */
export async function collect(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("response", (got) => {
    headers = got;
  });
  stream.on("trailers", (got) => {
    trailers = got;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => undefined);
  await once(stream, "close").catch(() => undefined);
  return { headers, trailers, body: Buffer.concat(chunks), rstCode: stream.rstCode ?? 0 };
}

/** One request with its body, and the whole answer. */
export async function ask2(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: Buffer = Buffer.alloc(0),
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: false });
  stream.end(body);
  return await collect(stream);
}

/** The head of a call of the Storage API, as gRPC clients send it. */
export function grpcHead(method: string, more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  return {
    ":method": "POST",
    ":path": `/google.cloud.bigquery.storage.v1.${method}`,
    ":authority": `${STORAGE_HOST}:443`,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: "Bearer agent-secret",
    ...more,
  };
}

/** One message with gRPC's prefix. */
export function framed(message: Buffer): Buffer<ArrayBuffer> {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** A field of a protocol buffers message that holds bytes. */
export function field(number: number, value: string | Buffer): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

export interface StorageUpstream {
  readonly url: string;
  readonly sessions: readonly ServerHttp2Session[];
}

export type ServeCall = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, request: Buffer) => void;

/**
 * An upstream that speaks HTTP/2 without TLS.
 *
 * @param options.early call back with the head, not with the whole request
 */
export async function startStorage(
  test: TestContext,
  serve: ServeCall,
  { early = false } = {},
): Promise<StorageUpstream> {
  const sessions: ServerHttp2Session[] = [];
  const server = createServer();
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => undefined);
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    if (early) return serve(stream, headers, Buffer.alloc(0));
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      if (!stream.destroyed) serve(stream, headers, Buffer.concat(chunks));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sessions };
}

/** Answers a call: messages, then the status among the trailers. */
export function reply(stream: ServerHttp2Stream, messages: readonly Buffer[], status = 0): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(status) }));
  for (const message of messages) stream.write(framed(message));
  stream.end();
}
