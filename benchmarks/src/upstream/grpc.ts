import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { BYTES_HEADER, CREATE_READ_SESSION_PATH, READ_ROWS_PATH, writeAll } from "../wire.ts";
import { createReadSessionResponse, ROWS_PER_MESSAGE, readRowsResponse } from "./messages.ts";

/** BigQuery's Storage Read API as far as the loads use it. */
export function createStorageServer(identity: {
  readonly key: string;
  readonly cert: string;
}): Http2SecureServer {
  const server = createSecureServer(identity);
  server.on("session", (session) => session.on("error", () => session.destroy()));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => stream.destroy());
    stream.resume();
    stream.on("end", () => void serve(stream, headers));
  });
  return server;
}

async function serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  if (stream.destroyed) return;
  const messages = answerTo(headers);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  // 12 is UNIMPLEMENTED.
  stream.on("wantTrailers", () =>
    stream.sendTrailers({ "grpc-status": messages === undefined ? "12" : "0" }),
  );
  await writeAll(stream, messages ?? []);
  stream.end();
}

function answerTo(headers: IncomingHttpHeaders): Iterable<Buffer> | undefined {
  if (headers[":path"] === CREATE_READ_SESSION_PATH) return [createReadSessionResponse()];
  if (headers[":path"] === READ_ROWS_PATH) return rows(Number(headers[BYTES_HEADER] ?? 0));
  return undefined;
}

function* rows(bytes: number): Generator<Buffer> {
  const response = readRowsResponse();
  for (let sent = 0; sent < bytes; sent += ROWS_PER_MESSAGE) yield response;
}
