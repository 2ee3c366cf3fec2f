import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Bytes of a request's head at most; BigQuery's longest ones are page tokens of a few KiB. */
export const MAX_HEADER_BYTES = 32 * 1024;
/** Milliseconds for a request's head to arrive. */
const HEADERS_TIMEOUT = 30_000;
/** Milliseconds between two looks at which heads are late. */
const HEADERS_CHECK = 5_000;
/** Milliseconds that a kept connection may be idle. */
const IDLE_TIMEOUT = 120_000;

/** Options that every HTTP/1.1 server of the gateway shares: the strict parser, and bounds on what arrives slowly. */
export const STRICT_HTTP1 = {
  insecureHTTPParser: false,
  // A request without Host is refused where it is recorded, not by Node, which tells nobody.
  requireHostHeader: false,
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT,
  connectionsCheckingInterval: HEADERS_CHECK,
  // An upload takes as long as it takes: `limits` bound its pauses, and the whole exchange.
  requestTimeout: 0,
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
export function createHttp1Server(
  { serve, refuse, cut }: Http1Hooks,
  options: ServerOptions = STRICT_HTTP1,
): Server {
  const server = createServer(options);
  // Node looks after late heads, and idle connections, from when a server listens.
  server.emit("listening");
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
  // Else Node answers it with 417, and tells nobody.
  server.on("checkExpectation", (request) => {
    if (request.socket.writable) turnAway(request.socket, UNEXPECTED, request);
  });
  // Inside a tunnel there is nothing to switch to.
  server.on("upgrade", (request, socket) => turnAway(socket, "upgrades are not served", request));
  server.on("connect", (request, socket) =>
    turnAway(socket, "CONNECT inside a tunnel is not served", request),
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (hasAsked(error, socket)) turnAway(socket, inWords(error));
    else socket.destroy();
  });
  return server;
}

/** Whether something came on a connection that failed: one that breaks off, or says nothing, has asked for nothing. */
export function hasAsked({ code }: NodeJS.ErrnoException, socket: Duplex): boolean {
  if (code === "ECONNRESET" || !socket.writable) return false;
  return code !== HEAD_LATE || (socket as Socket).bytesRead !== 0;
}

/** What was wrong with what is no request. */
export function inWords({ code = "unknown" }: NodeJS.ErrnoException): string {
  return code === HEAD_LATE
    ? `the head of a request has to come within ${HEADERS_TIMEOUT / 1_000} s`
    : `this is not HTTP/1.1 as RFC 9112 has it (${code})`;
}

/** Node's code for that. */
const HEAD_LATE = "ERR_HTTP_REQUEST_TIMEOUT";

/** RFC 9110, section 10.1.1: there is no other expectation. */
export const UNEXPECTED = "Expect is 100-continue or nothing";

/** Whether a refusal would be taken for the answer to a request before it, or for a part of that. */
function isAnswering(last: ServerResponse | undefined): boolean {
  return last !== undefined && !last.writableFinished && (last.headersSent || last.req.complete);
}
