import type { JournalError } from "./errors.ts";
import { Waiters } from "./waiters.ts";

/** Milliseconds after which the position is looked at even when no notice came. */
const FALLBACK = 1_000;

/** Those who wait until a journal is delivered up to a position, which delivery tells by shared memory. */
export class Acknowledgements {
  readonly #position: BigInt64Array<SharedArrayBuffer>;
  readonly #waiters = new Waiters();
  #watching = false;
  #ended: JournalError | undefined;

  /** @param shared one 64-bit integer: the position. Its writer notifies. */
  constructor(shared: SharedArrayBuffer) {
    this.#position = new BigInt64Array(shared);
  }

  /**
   * Resolves when the journal is delivered up to a position; positions are asked for in their order.
   *
   * @throws {JournalError} when that is not waited for any longer.
   */
  reached(position: number): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const reached = this.#waiters.add(position);
    void this.#watch();
    return reached;
  }

  /** Nobody waits any longer, now and from now on. */
  end(error: JournalError): void {
    this.#ended = error;
    this.#waiters.reject(error);
  }

  /** As long as somebody waits. */
  async #watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    for (;;) {
      const seen = Atomics.load(this.#position, 0);
      this.#waiters.settle(Number(seen));
      if (this.#waiters.count === 0) break;
      const wait = Atomics.waitAsync(this.#position, 0, seen, FALLBACK);
      if (wait.async) await wait.value;
    }
    this.#watching = false;
  }
}
