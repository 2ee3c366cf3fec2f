/**
 * HTTP/2 flow-control windows over all of the agents' connections. What an agent may send ahead of its reader waits in
 * Node's memory: a stream's window, times the streams of a connection (a connection's own window does not bound it, since
 * Node frees that as bytes come in: 20 paused streams held 20 MiB behind a window of 4). So a wide window goes to as many
 * connections as the budget has room for at their worst, and others get the narrow one: slower, but served.
 */
export class WindowBudget {
  /** Streams of one connection at the same time. */
  readonly streams: number;
  /** Bytes of a stream's window: RFC 9113's own default. */
  readonly narrow = 65_535;
  readonly #wide: number;
  #left: number;

  constructor({ bytes = 64 * 1024 * 1024, wide = 512 * 1024, streams = 32 } = {}) {
    this.streams = streams;
    this.#wide = wide;
    this.#left = bytes;
  }

  /** The window of each stream of a new connection. */
  grant(): number {
    const worst = this.#wide * this.streams;
    if (this.#left < worst) return this.narrow;
    this.#left -= worst;
    return this.#wide;
  }

  /** A connection with such windows has closed. */
  release(window: number): void {
    if (window === this.#wide) this.#left += this.#wide * this.streams;
  }
}
