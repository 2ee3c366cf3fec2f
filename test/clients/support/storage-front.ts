import {
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { SeenRequest } from "./agent.ts";
import { withArrowMessages } from "./arrow-messages.ts";

/** Relays the emulator's Storage API, gRPC in clear, and keeps what arrives; answers its own origin. */
export async function startStorageFront(
  test: TestContext,
  emulator: string,
  seen: SeenRequest[],
): Promise<string> {
  const upstream = connect(emulator);
  // Its streams have the same error.
  upstream.on("error", () => {});
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    const { host: _, ...passed } = headers;
    const path = headers[":path"] ?? "";
    const body: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.once("end", () => {
      seen.push({ method: "POST", target: path, headers: flat(headers), body: Buffer.concat(body) });
    });
    relay(path, stream, upstream.request(passed));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(async () => {
    upstream.destroy();
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function relay(path: string, from: ServerHttp2Stream, to: ClientHttp2Stream): void {
  from.pipe(to);
  let trailers: IncomingHttpHeaders = {};
  to.once("response", (headers, flags) => {
    // A call that fails at once has its status in the headers, and nothing else.
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) return from.respond(headers, { endStream: true });
    from.respond(headers, { waitForTrailers: true });
    from.once("wantTrailers", () => from.sendTrailers(trailers));
    const answer: Buffer[] = [];
    to.on("data", (chunk: Buffer) => answer.push(chunk));
    to.once("end", () => from.end(withArrowMessages(path, Buffer.concat(answer))));
  });
  to.once("trailers", (headers) => {
    trailers = headers;
  });
  from.once("error", () => to.close(constants.NGHTTP2_CANCEL));
  from.once("aborted", () => to.close(constants.NGHTTP2_CANCEL));
  to.once("error", () => from.close(constants.NGHTTP2_INTERNAL_ERROR));
}

function flat(headers: IncomingHttpHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(":") || value === undefined ? [] : [name, String(value)],
  );
}
