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

export interface Http1Hooks {
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
  /** Told of what cannot be served: it has to answer, and to close the socket. */
  readonly refuse: (socket: Duplex, reason: string, request?: IncomingMessage) => void;
}

/** HTTP/1.1 inside the tunnels: never listens, is handed decrypted sockets by `emit("connection", socket)`. */
export function createHttp1Server({ serve, refuse }: Http1Hooks): Server {
  const server = createServer(STRICT_HTTP1);
  const last = new WeakMap<Duplex, ServerResponse>();
  server.on("request", (request, response) => {
    const { socket } = request;
    // HTTP/1.0 frames bodies otherwise, and no client of BigQuery speaks it.
    if (request.httpVersion !== "1.1") return refuse(socket, "only HTTP/1.1 and HTTP/2 are served", request);
    const previous = last.get(socket);
    last.set(socket, response);
    if (previous === undefined || previous.writableFinished) return void serve(request, response);
    // Sent before the answer to the one before had come. Behind a refusal nothing is served: it may not be a request at
    // all, but a part of what was refused.
    previous.once("close", () => {
      if (socket.writable) serve(request, response);
    });
  });
  // Inside a tunnel there is nothing to switch to.
  server.on("upgrade", (request, socket) => refuse(socket, "upgrades are not served", request));
  server.on("connect", (request, socket) => refuse(socket, "CONNECT inside a tunnel is not served", request));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // A connection that breaks off has asked for nothing.
    if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else refuse(socket, `this is not HTTP/1.1 as RFC 9112 has it (${error.code ?? "unknown"})`);
  });
  return server;
}
