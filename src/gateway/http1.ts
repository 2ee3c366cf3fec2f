import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Bytes of a request's head at most; BigQuery's longest ones are page tokens of a few KiB. */
export const MAX_HEADER_BYTES = 32 * 1024;
/** Milliseconds for a request's head to arrive. */
const HEADERS_TIMEOUT = 30_000;
/** Milliseconds that a kept connection may be idle. */
const IDLE_TIMEOUT = 120_000;

/** Options that every HTTP/1.1 server of the gateway shares: the strict parser, and bounds on what arrives slowly. */
export const STRICT_HTTP1 = {
  insecureHTTPParser: false,
  // A request without Host is refused where it is recorded, not by Node, which tells nobody.
  requireHostHeader: false,
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT,
  keepAliveTimeout: IDLE_TIMEOUT,
} as const;

/** Requests of one connection that may wait for the answer to one before. */
const MAX_WAITING = 16;

export interface Http1Hooks {
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
  /** Told of what cannot be served: it has to answer, and to close the socket. */
  readonly refuse: (socket: Duplex, reason: string, request?: IncomingMessage) => void;
  /** Likewise where an answer would be taken for one to a request before: it has to cut the socket. */
  readonly cut: (socket: Duplex, reason: string, request?: IncomingMessage) => void;
}

/** What came on one connection and is not answered yet. */
interface Pipeline {
  last: ServerResponse;
  waiting: number;
}

/** HTTP/1.1 inside the tunnels: never listens, is handed decrypted sockets by `emit("connection", socket)`. */
export function createHttp1Server({ serve, refuse, cut }: Http1Hooks): Server {
  const server = createServer(STRICT_HTTP1);
  const pipelines = new WeakMap<Duplex, Pipeline>();
  const turnAway = (socket: Duplex, reason: string, request?: IncomingMessage): void => {
    if (isAnswering(pipelines.get(socket)?.last)) cut(socket, reason, request);
    else refuse(socket, reason, request);
  };
  server.on("request", (request, response) => {
    const { socket } = request;
    // Behind a refusal nothing is served: it may not be a request at all, but a part of what was refused.
    if (!socket.writable) return;
    // HTTP/1.0 frames bodies otherwise, and no client of BigQuery speaks it.
    if (request.httpVersion !== "1.1")
      return turnAway(socket, "only HTTP/1.1 and HTTP/2 are served", request);
    const pipeline = pipelines.get(socket);
    if (pipeline === undefined) {
      pipelines.set(socket, { last: response, waiting: 0 });
      return void serve(request, response);
    }
    const previous = pipeline.last;
    if (previous.writableFinished) {
      pipeline.last = response;
      return void serve(request, response);
    }
    if (pipeline.waiting === MAX_WAITING)
      return turnAway(socket, `more than ${MAX_WAITING} requests wait for the answer to one before`, request);
    pipeline.last = response;
    pipeline.waiting += 1;
    previous.once("close", () => {
      pipeline.waiting -= 1;
      if (socket.writable) serve(request, response);
    });
  });
  // Inside a tunnel there is nothing to switch to.
  server.on("upgrade", (request, socket) => turnAway(socket, "upgrades are not served", request));
  server.on("connect", (request, socket) =>
    turnAway(socket, "CONNECT inside a tunnel is not served", request),
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // A connection that breaks off has asked for nothing.
    if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else turnAway(socket, `this is not HTTP/1.1 as RFC 9112 has it (${error.code ?? "unknown"})`);
  });
  return server;
}

/** Whether a refusal would be taken for the answer to a request before it, or for a part of that. */
function isAnswering(last: ServerResponse | undefined): boolean {
  return last !== undefined && !last.writableFinished && (last.headersSent || last.req.complete);
}
