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
import { Wait } from "./patience.ts";
import type { WindowBudget } from "./window-budget.ts";

/** An exchange as it arrives over HTTP/2; raw headers as a flat list, pseudo-headers first. */
export type ServeStream = (
  connection: Connection,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
) => void;

export interface Http2Hooks {
  readonly serve: ServeStream;
  /** Told of what cannot be served; its connection is closed already, or about to be. */
  readonly refuse: (connection: Connection, reason: string) => void;
}

/** Pings that an agent may leave unanswered, in the time that it has to take what was sent to it. */
const PINGS = 4;
/** Header fields of one request. */
const MAX_HEADER_FIELDS = 128;
/** Bytes that a connection may send ahead; Node frees this window as bytes come in, so it bounds speed and not memory. */
const CONNECTION_WINDOW = 4 * 1024 * 1024;
/** Milliseconds without a stream after which a connection is closed. */
const IDLE_TIMEOUT = 120_000;
/** Milliseconds between two looks for requests that nobody was told of. */
const LOOK = 500;

/** HTTP/2 inside the tunnels: never listens, is handed decrypted sockets. */
export class Http2Front {
  readonly #server: Http2Server;
  readonly #windows: WindowBudget;
  readonly #agentIdle: number;
  readonly #sessions = new Set<ServerHttp2Session>();
  #arriving: { readonly connection: Connection; readonly socket: TLSSocket } | undefined;

  /** @param agentIdle milliseconds that an agent may be silent to pings */
  constructor(windows: WindowBudget, agentIdle: number, hooks: Http2Hooks) {
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
    this.#server.on("session", (session) => this.#opened(session, hooks));
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

  #opened(session: ServerHttp2Session, { serve, refuse }: Http2Hooks): void {
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
    // Not the session's own setTimeout(): a session that is destroyed forgets to clear it, and is kept alive by it.
    const idle = (): Wait => new Wait(IDLE_TIMEOUT, () => session.close());
    let waiting = idle();
    const told = watchForRejected(session, () => {
      refuse(connection, "this is no request as RFC 9113 has it");
      session.close();
    });
    session.on("stream", (stream, headers, _flags, rawHeaders) => {
      told(stream.id ?? 0);
      streams += 1;
      waiting.end();
      stream.once("close", () => {
        streams -= 1;
        if (streams === 0 && !session.destroyed) waiting = idle();
      });
      serve(connection, stream, headers, rawHeaders);
    });
    session.on("error", (error: NodeJS.ErrnoException) => {
      // The agent's own complaint, and a connection that breaks off, ask for nothing.
      const { code = "" } = error;
      if (code.startsWith("ERR_HTTP2_") && code !== "ERR_HTTP2_SESSION_ERROR")
        refuse(connection, `this is not HTTP/2 as RFC 9113 has it (${code})`);
      session.destroy();
    });
    session.once("close", () => {
      waiting.end();
      this.#sessions.delete(session);
      this.#windows.release(window);
    });
  }
}

/**
 * Tells of requests that Node's parser (nghttp2) refuses by itself, with a reset: pseudo-headers that are missing, doubled or
 * unknown, header names in capitals, headers of a connection. It tells nobody, but it counts them.
 *
 * @returns is to be called with the number of each stream that is told of; agents number them 1, 3, 5 …
 */
function watchForRejected(session: ServerHttp2Session, rejected: () => void): (stream: number) => void {
  let told = 0;
  let taken = 0;
  let asked = false;
  const look = (): void => {
    if (session.destroyed) return;
    taken = session.state.lastProcStreamID ?? 0;
    if (taken <= told || asked) return;
    // Its head may still be on the way. Behind a part of one nothing else may come (section 6.10), so an answer says it is not.
    asked = session.ping((error) => {
      asked = false;
      if (error === null && taken > told) rejected();
      if (error === null) told = Math.max(told, taken);
    });
  };
  const timer = setInterval(look, LOOK);
  session.once("close", () => {
    clearInterval(timer);
    if (taken > told) rejected();
  });
  return (stream) => {
    if (stream > told + 2) rejected();
    told = Math.max(told, stream);
  };
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
