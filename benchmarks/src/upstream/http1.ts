import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { Pacer, paced } from "../pace.ts";
import { BYTES_HEADER, PACE_HEADER, parsePace, TOKEN_PATH, writeAll } from "../wire.ts";
import { rowsAnswer, smallAnswer } from "./bodies.ts";

/** Milliseconds that an idle connection is kept: longer than any pause of a run, so that no peer finds one closed. */
const IDLE = 600_000;

const SMALL = smallAnswer();

/** BigQuery's REST API as far as the loads use it. */
export function createRestServer(identity: { readonly key: string; readonly cert: string }): Server {
  const server = createServer({ ...identity, keepAliveTimeout: IDLE, requestTimeout: 0 }, serve);
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const { method, url = "" } = request;
  if (url === TOKEN_PATH) {
    request.resume();
    const token = { access_token: "upstream-token", expires_in: 3600, token_type: "Bearer" };
    request.on("end", () => answer(response, Buffer.from(JSON.stringify(token))));
  } else if (url.startsWith("/upload/")) {
    sink(request, response);
  } else if (method === "GET") {
    request.resume();
    void stream(request, response);
  } else {
    request.resume();
    request.on("end", () => answer(response, SMALL));
  }
}

/** Headers as BigQuery sends them. */
function heading(length: number): string[] {
  return [
    ["Content-Type", "application/json; charset=UTF-8"],
    ["Vary", "X-Origin"],
    ["Vary", "Referer"],
    ["Vary", "Origin,Accept-Encoding"],
    ["Server", "ESF"],
    ["X-XSS-Protection", "0"],
    ["X-Frame-Options", "SAMEORIGIN"],
    ["X-Content-Type-Options", "nosniff"],
    ["Content-Length", String(length)],
  ].flat();
}

function answer(response: ServerResponse, body: Buffer): void {
  response.writeHead(200, heading(body.length));
  response.end(body);
}

async function stream(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = Number(request.headers[BYTES_HEADER] ?? 0);
  response.writeHead(200, heading(bytes));
  await writeAll(response, rowsAnswer(bytes));
  response.end();
}

function sink(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  const pace = paced(request, new Pacer(parsePace(request.headers[PACE_HEADER])));
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    pace(chunk.length);
  });
  request.on("end", () => {
    const job = {
      kind: "bigquery#job",
      status: { state: "DONE" },
      statistics: { load: { inputFileBytes: bytes } },
    };
    answer(response, Buffer.from(JSON.stringify(job)));
  });
}
