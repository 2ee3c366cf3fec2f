/** Milliseconds after which a journal is looked at even when no notice came. */
const FALLBACK = 1_000;

/** Waits until one of some shared positions changes, or it is woken. */
export class GrowthWatch {
  readonly #ends: readonly BigInt64Array<SharedArrayBuffer>[];
  /** One wait per position, kept until it is over: given up ones would pile up while another position moves fast. */
  readonly #waits = new Map<number, Promise<unknown>>();
  #wake = Promise.withResolvers<void>();

  constructor(ends: readonly SharedArrayBuffer[]) {
    this.#ends = ends.map((end) => new BigInt64Array(end));
  }

  /** The positions now. */
  look(): bigint[] {
    return this.#ends.map((end) => Atomics.load(end, 0));
  }

  /** Ends waiting, now and from now on. */
  wake(): void {
    this.#wake.resolve();
  }

  /** Resolves with true when a position is not what was seen, with false after a second without that. */
  async grown(seen: readonly bigint[]): Promise<boolean> {
    const changed = () => this.#ends.some((end, index) => Atomics.load(end, 0) !== seen[index]);
    if (changed()) return true;
    await this.#race(
      FALLBACK,
      this.#ends.map((_, index) => this.#wait(index, seen[index] ?? 0n)),
    );
    return changed();
  }

  /** Waits, unless woken. */
  pause(milliseconds: number): Promise<void> {
    return this.#race(milliseconds, []);
  }

  #wait(index: number, seen: bigint): Promise<unknown> {
    const running = this.#waits.get(index);
    if (running !== undefined) return running;
    const end = this.#ends[index];
    const wait = end === undefined ? undefined : Atomics.waitAsync(end, 0, seen);
    if (wait?.async !== true) return Promise.resolve();
    const over = wait.value.then(() => this.#waits.delete(index));
    this.#waits.set(index, over);
    return over;
  }

  async #race(milliseconds: number, waits: readonly Promise<unknown>[]): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, milliseconds);
    await Promise.race([timeout.promise, this.#wake.promise, ...waits]);
    clearTimeout(timer);
  }
}
