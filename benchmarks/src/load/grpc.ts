import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { type Pace, Pacer, paced } from "../pace.ts";
import { createReadSessionRequest, readRowsRequest } from "../upstream/messages.ts";
import { BYTES_HEADER, CREATE_READ_SESSION_PATH, READ_ROWS_PATH, STORAGE_HOST } from "../wire.ts";
import { open } from "./connect.ts";
import { type BodyLoad, type LoadFigures, type Target, Unsupported } from "./load.ts";

/** Bytes that may be under way to the client: what grpc-js and C-core grow to on a fast line. */
const STREAM_WINDOW = 4 * 1024 * 1024;
const SESSION_WINDOW = 8 * 1024 * 1024;

/** One ReadRows stream over HTTP/2, taken at the load's pace. */
export async function prepareGrpc(load: BodyLoad, target: Target): Promise<() => Promise<LoadFigures>> {
  const socket = await open(target, { session: "bench-grpc", host: STORAGE_HOST, alpn: "h2" });
  if (socket.alpnProtocol !== "h2") {
    socket.destroy();
    throw new Unsupported("no HTTP/2 by ALPN");
  }
  const session = connect(`https://${STORAGE_HOST}`, {
    createConnection: () => socket,
    settings: { initialWindowSize: STREAM_WINDOW },
  });
  const failed = once(session, "error").then(([error]) => Promise.reject(error as Error));
  failed.catch(() => undefined);
  session.once("connect", () => session.setLocalWindowSize(SESSION_WINDOW));
  const ask = (path: string, message: Buffer, pace: Pace): Promise<number> =>
    Promise.race([call(session, path, message, load.bytes, pace), failed]);
  await ask(CREATE_READ_SESSION_PATH, createReadSessionRequest(), { kind: "fast" });
  return async () => {
    const from = performance.now();
    const bytes = await ask(READ_ROWS_PATH, readRowsRequest(), load.pace);
    const seconds = (performance.now() - from) / 1000;
    session.destroy();
    if (bytes < load.bytes) throw new Error(`${bytes} of ${load.bytes} bytes came`);
    return { exchanges: 1, bytes, seconds };
  };
}

/** Sends one message; resolves with the bytes of the answer once its status is known. */
async function call(
  session: ClientHttp2Session,
  path: string,
  message: Buffer,
  bytes: number,
  pace: Pace,
): Promise<number> {
  const stream: ClientHttp2Stream = session.request({
    ":method": "POST",
    ":path": path,
    ":authority": STORAGE_HOST,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: "Bearer placeholder",
    "user-agent": "grpc-node-js/1.14.0",
    [BYTES_HEADER]: String(bytes),
  });
  let received = 0;
  let status: string | undefined;
  let detail = "";
  const look = (headers: IncomingHttpHeaders): void => {
    if (headers[":status"] !== undefined && Number(headers[":status"]) !== 200)
      status = `HTTP ${headers[":status"]}`;
    status = headers["grpc-status"]?.toString() ?? status;
    detail = headers["grpc-message"]?.toString() ?? detail;
  };
  const take = paced(stream, new Pacer(pace));
  stream.on("response", look);
  stream.on("trailers", look);
  stream.on("data", (chunk: Buffer) => {
    received += chunk.length;
    take(chunk.length);
  });
  stream.end(message);
  await once(stream, "end");
  if (status === undefined) throw new Error(`${path}: no grpc-status`);
  if (status !== "0") throw new Unsupported(`${path}: ${status} ${decodeURIComponent(detail)}`);
  return received;
}
