import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** Bytes of a request's head at most; BigQuery's longest ones are page tokens of a few KiB. */
export const MAX_HEADER_BYTES = 32 * 1024;
/** Milliseconds for a request's head to arrive. */
const HEADERS_TIMEOUT = 30_000;
/** Milliseconds that a kept connection may be idle. */
const IDLE_TIMEOUT = 120_000;

/** Options that every HTTP/1.1 server of the gateway shares: the strict parser, and bounds on what arrives slowly. */
export const STRICT_HTTP1 = {
  insecureHTTPParser: false,
  requireHostHeader: true,
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT,
  keepAliveTimeout: IDLE_TIMEOUT,
} as const;

/** HTTP/1.1 inside the tunnels: never listens, is handed decrypted sockets by `emit("connection", socket)`. */
export function createHttp1Server(
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const server = createServer(STRICT_HTTP1, serve);
  // Inside a tunnel there is nothing to switch to.
  server.on("upgrade", (_request, socket) => socket.destroy());
  server.on("connect", (_request, socket) => socket.destroy());
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}
