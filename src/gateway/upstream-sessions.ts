import { type ClientHttp2Session, connect, constants } from "node:http2";
import type { SecureContext } from "node:tls";
import { TimeoutError } from "./limits.ts";
import { Wait } from "./patience.ts";

/** Bytes that a stream may receive ahead of its reader, on wide sessions; 64 KiB gave 1.8 MB/s at 20 ms, 1 MiB 44. */
const WIDE_WINDOW = 1024 * 1024;
/** Bytes that a connection may; Node frees this window as bytes come in, so it bounds speed and not memory. */
const CONNECTION_WINDOW = 4 * 1024 * 1024;
/** RFC 9113's own default. */
const NARROW_WINDOW = 65_535;
/**
 * Streams on wide sessions, of all origins: what a stalled agent leaves waiting in Node is a stream's window, so this many
 * times {@link WIDE_WINDOW} (32 MiB) is the most. Streams beyond go over narrow sessions.
 */
const WIDE_STREAMS = 32;
/** Streams on one session; Google's servers allow 100. */
const STREAMS_PER_SESSION = 100;
/** Milliseconds that a session is kept without streams. */
const IDLE = 240_000;
/** Bytes of an answer's head. */
const MAX_HEADER_LIST = 64 * 1024;

/** MB; Node's default of 10 is less than what a hundred streams may have under way. */
const SESSION_MEMORY = 128;

interface Kept {
  readonly origin: string;
  readonly session: ClientHttp2Session;
  readonly ready: Promise<void>;
  readonly wide: boolean;
  streams: number;
  /** Runs while there are no streams. */
  idle?: Wait;
  /**
   * - `open`: takes streams;
   * - `draining`: upstream announced its end (GOAWAY), what is in flight is finished;
   * - `closed`: gone.
   */
  state: "open" | "draining" | "closed";
}

/** A session with room for one stream, until it is released. */
export interface Lease {
  readonly session: ClientHttp2Session;
  release(): void;
}

/** HTTP/2 sessions, shared by all exchanges of an origin; certificates are always verified. */
export class Http2Sessions {
  readonly #options: { readonly connect: number; readonly trust: SecureContext };
  /** Few: each takes a hundred streams. Nothing is left of an origin without one, since agents name regional hosts at will. */
  readonly #sessions = new Set<Kept>();
  #wide = 0;

  constructor(options: { readonly connect: number; readonly trust: SecureContext }) {
    this.#options = options;
  }

  /**
   * A session that is connected, and takes another stream.
   *
   * @throws when none can be had, in the words of the system or of TLS.
   */
  async lease(origin: string): Promise<Lease> {
    const wide = this.#wide < WIDE_STREAMS;
    const kept = this.#roomy(origin, wide) ?? this.#open(origin, wide);
    kept.streams += 1;
    kept.idle?.end();
    if (wide) this.#wide += 1;
    let leased = true;
    const release = (): void => {
      if (!leased) return;
      leased = false;
      kept.streams -= 1;
      if (wide) this.#wide -= 1;
      // Not the session's own setTimeout(): a session that is destroyed forgets to clear it, and is kept alive by it.
      if (kept.streams === 0 && kept.state !== "closed")
        kept.idle = new Wait(IDLE, () => kept.session.close());
    };
    try {
      await kept.ready;
    } catch (error) {
      release();
      throw error;
    }
    return { session: kept.session, release };
  }

  /** Ends what is in flight. */
  close(): void {
    for (const { session } of this.#sessions) session.destroy();
  }

  #roomy(origin: string, wide: boolean): Kept | undefined {
    for (const kept of this.#sessions) {
      if (kept.origin !== origin) continue;
      const { maxConcurrentStreams = STREAMS_PER_SESSION } = kept.session.remoteSettings ?? {};
      const room = kept.streams < Math.min(STREAMS_PER_SESSION, maxConcurrentStreams);
      if (kept.state === "open" && kept.wide === wide && room) return kept;
    }
    return undefined;
  }

  #open(origin: string, wide: boolean): Kept {
    const { trust, connect: patience } = this.#options;
    const initialWindowSize = wide ? WIDE_WINDOW : NARROW_WINDOW;
    const session = connect(origin, {
      rejectUnauthorized: true,
      secureContext: trust,
      maxSessionMemory: SESSION_MEMORY,
      settings: { initialWindowSize, enablePush: false, maxHeaderListSize: MAX_HEADER_LIST },
    });
    const ready = connected(session, patience);
    const kept: Kept = { origin, session, ready, wide, streams: 0, state: "open" };
    this.#sessions.add(kept);
    // Node closes the session itself on GOAWAY: gracefully, when that says NO_ERROR.
    session.on("goaway", () => {
      kept.state = "draining";
    });
    session.on("error", () => {
      kept.state = "closed";
    });
    session.on("close", () => {
      kept.state = "closed";
      kept.idle?.end();
      this.#sessions.delete(kept);
    });
    session.once("connect", () => session.setLocalWindowSize(wide ? CONNECTION_WINDOW : NARROW_WINDOW));
    // Nobody may be waiting any more when it fails.
    ready.catch(() => undefined);
    return kept;
  }
}

function connected(session: ClientHttp2Session, patience: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => session.destroy(new TimeoutError("no HTTP/2 connection in time"), constants.NGHTTP2_NO_ERROR),
      patience,
    );
    const settled = (): void => {
      clearTimeout(timer);
      session.off("error", failed).off("close", closed);
    };
    const failed = (error: Error): void => {
      settled();
      reject(error);
    };
    const closed = (): void =>
      failed(Object.assign(new Error("the connection closed"), { code: "ECONNRESET" }));
    session.once("error", failed).once("close", closed);
    // Upstream's settings are the first proof that it speaks HTTP/2, and tell how many streams it takes.
    session.once("remoteSettings", () => {
      settled();
      resolve();
    });
  });
}
