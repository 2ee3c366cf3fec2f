import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect as tlsConnect } from "node:tls";
import { connect, proxyAuthorization, type Target } from "../support/gateway.ts";

const BIGQUERY = "bigquery.googleapis.com";
const GIGABYTE = 1024 ** 3;
const CHUNK = Buffer.alloc(256 * 1024, "x");

/** Answers with a gigabyte, as fast as it is taken. */
export function endless(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json", "content-length": String(GIGABYTE) });
  let left = GIGABYTE / CHUNK.length;
  const more = (): void => {
    while (left-- > 0 && !response.destroyed) if (!response.write(CHUNK)) return;
    if (!response.destroyed) response.end();
  };
  response.on("drain", more);
  more();
}

export interface Stream {
  /** Resolves when the answer breaks off, or ends. */
  readonly over: Promise<{ bytes: number; whole: boolean }>;
}

/** Asks for a large answer; resolves when it has begun. It is read slowly enough to last. */
export async function stream({ port, ca }: Target, token: string): Promise<Stream> {
  const { socket, status } = await connect(port, `${BIGQUERY}:443`, proxyAuthorization(token));
  assert.equal(status, 200);
  const secure = tlsConnect({ socket, servername: BIGQUERY, ca });
  await once(secure, "secureConnect");
  const sent = httpsRequest({
    host: BIGQUERY,
    path: "/bigquery/v2/projects/p/queries/j",
    defaultPort: 443,
    createConnection: () => secure,
  });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    response.pause();
    setTimeout(() => response.resume(), 2);
  });
  response.on("error", () => undefined);
  const { promise: over, resolve } = Promise.withResolvers<{ bytes: number; whole: boolean }>();
  response.once("close", () => resolve({ bytes, whole: response.complete }));
  return { over };
}
