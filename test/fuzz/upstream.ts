import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { framed } from "../support/http2.ts";
import { startUpstream } from "../support/upstream.ts";

/** Both of BigQuery's APIs, and how often each request reached them. */
export interface FuzzUpstream {
  readonly rest: Awaited<ReturnType<typeof startUpstream>>;
  readonly storageUrl: string;
  /** By method and path. */
  readonly reached: ReadonlyMap<string, number>;
  /** Closes the connections that the gateway keeps. */
  disconnect(): void;
  close(): Promise<void>;
}

export async function startFuzzUpstream(directory: string): Promise<FuzzUpstream> {
  const reached = new Map<string, number>();
  const note = (method = "", target = ""): void => {
    const key = requestKey(method, target);
    reached.set(key, (reached.get(key) ?? 0) + 1);
  };
  const sockets = new Set<Socket>();
  const rest = await startUpstream(directory, (request, response) => {
    note(request.method, request.url);
    sockets.add(request.socket);
    response.setHeader("content-type", "application/json");
    response.end('{"kind":"bigquery#queryResponse","totalRows":"1","rows":[{"f":[{"v":"1"}]}]}');
  });

  const sessions = new Set<ServerHttp2Session>();
  const storage = createServer();
  storage.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => undefined);
    session.once("close", () => sessions.delete(session));
  });
  storage.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    note(headers[":method"], headers[":path"]);
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.resume();
    stream.once("end", () => stream.end(framed(Buffer.from("rows"))));
  });
  await new Promise<void>((resolve) => storage.listen(0, "127.0.0.1", resolve));

  const disconnect = (): void => {
    for (const session of sessions) session.destroy();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    rest,
    storageUrl: `http://127.0.0.1:${(storage.address() as AddressInfo).port}`,
    reached,
    disconnect,
    async close() {
      disconnect();
      storage.close();
      await rest.close();
    },
  };
}

/** Without the query, of which recordings leave secrets out. */
export function requestKey(method: string, target: string): string {
  return `${method} ${target.split("?", 1)[0]}`;
}
