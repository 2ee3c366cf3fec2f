import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Connection } from "./connection.ts";
import { MAX_HEADER_BYTES } from "./http1.ts";
import type { WindowBudget } from "./window-budget.ts";

/** An exchange as it arrives over HTTP/2; raw headers as a flat list, pseudo-headers first. */
export type ServeStream = (
  connection: Connection,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
) => void;

/** Pings that an agent may leave unanswered, in the time that it has to take what was sent to it. */
const PINGS = 4;
/** Header fields of one request. */
const MAX_HEADER_FIELDS = 128;
/** Bytes that a connection may send ahead; Node frees this window as bytes come in, so it bounds speed and not memory. */
const CONNECTION_WINDOW = 4 * 1024 * 1024;
/** Milliseconds without a stream after which a connection is closed. */
const IDLE_TIMEOUT = 120_000;

/** HTTP/2 inside the tunnels: never listens, is handed decrypted sockets. */
export class Http2Front {
  readonly #server: Http2Server;
  readonly #windows: WindowBudget;
  readonly #agentIdle: number;
  readonly #sessions = new Set<ServerHttp2Session>();
  #arriving: { readonly connection: Connection; readonly socket: TLSSocket } | undefined;

  /** @param agentIdle milliseconds that an agent may be silent to pings */
  constructor(windows: WindowBudget, agentIdle: number, serve: ServeStream) {
    this.#windows = windows;
    this.#agentIdle = agentIdle;
    // A stream handler alone: with a request handler Node would answer in our place, and lose trailers.
    this.#server = createServer({
      settings: {
        initialWindowSize: windows.narrow,
        maxConcurrentStreams: windows.streams,
        maxHeaderListSize: MAX_HEADER_BYTES,
        enablePush: false,
      },
      maxHeaderListPairs: MAX_HEADER_FIELDS,
      // Abuse ends a connection: frames that are not valid, streams beyond the limit, and streams opened to be reset
      // (CVE-2023-44487), of which an agent that gives up many calls at once needs a few.
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      streamResetBurst: 500,
      streamResetRate: 50,
      // MB; besides headers it counts what agents were sent and have not taken.
      maxSessionMemory: 64,
    });
    this.#server.on("session", (session) => this.#opened(session, serve));
    this.#server.on("sessionError", () => undefined);
  }

  accept(socket: TLSSocket, connection: Connection): void {
    this.#arriving = { connection, socket };
    this.#server.emit("connection", socket);
    this.#arriving = undefined;
  }

  /** Takes no new stream; connections close when those that run have ended. */
  drain(): void {
    for (const session of this.#sessions) session.close();
  }

  #opened(session: ServerHttp2Session, serve: ServeStream): void {
    if (this.#arriving === undefined) return void session.destroy();
    const { connection, socket } = this.#arriving;
    this.#sessions.add(session);
    // Node's session looks at nothing but its socket's close, and does not close it while streams wait for more. Not the
    // socket's own destroy(): beneath a session that lives it crashes the process.
    socket.once("end", () => session.destroy());
    cutWhenSilent(session, socket, this.#agentIdle);
    const window = this.#windows.grant();
    if (window > this.#windows.narrow) session.settings({ initialWindowSize: window });
    session.setLocalWindowSize(CONNECTION_WINDOW);
    let streams = 0;
    session.on("stream", (stream, headers, _flags, rawHeaders) => {
      streams += 1;
      stream.once("close", () => {
        streams -= 1;
      });
      serve(connection, stream, headers, rawHeaders);
    });
    session.setTimeout(IDLE_TIMEOUT, () => {
      if (streams === 0) session.close();
    });
    session.on("error", () => session.destroy());
    session.once("close", () => {
      this.#sessions.delete(session);
      this.#windows.release(window);
    });
  }
}

/**
 * Cuts a connection whose other side answers nothing any more. After some invalid frames Node reads no further, not even the
 * connection's end, and waits for good: for its streams, or, when the session was destroyed, for its socket.
 */
function cutWhenSilent(session: ServerHttp2Session, socket: TLSSocket, agentIdle: number): void {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (session.destroyed) return void socket.destroy();
    if (unanswered >= PINGS) return void session.destroy();
    unanswered += 1;
    session.ping((error) => {
      if (error === null) unanswered = 0;
    });
  }, agentIdle / PINGS);
  socket.once("close", () => clearInterval(timer));
}
