/** Milliseconds after which a journal is looked at even when no notice came. */
const FALLBACK = 1_000;

/**
 * Waits until one of some shared positions changes, or it is woken; for one that waits at a time.
 *
 * Not by `Promise.race` with promises that are kept: each race would leave something with a position that rests, and with
 * the wake that may never come: 100 races a second are a gigabyte a day.
 */
export class GrowthWatch {
  readonly #ends: readonly BigInt64Array<SharedArrayBuffer>[];
  /** Positions that are listened to: each once, until it changes. */
  readonly #listening = new Set<number>();
  #woken = false;
  /** End the present wait, if there is one. */
  #onWake: (() => void) | undefined;
  #onGrowth: (() => void) | undefined;

  constructor(ends: readonly SharedArrayBuffer[]) {
    this.#ends = ends.map((end) => new BigInt64Array(end));
  }

  /** The positions now. */
  look(): bigint[] {
    return this.#ends.map((end) => Atomics.load(end, 0));
  }

  /** Ends waiting, now and from now on. */
  wake(): void {
    this.#woken = true;
    this.#onWake?.();
  }

  /** Resolves with true when a position is not what was seen, with false after a second without that. */
  async grown(seen: readonly bigint[]): Promise<boolean> {
    const changed = () => this.#ends.some((end, index) => Atomics.load(end, 0) !== seen[index]);
    for (const [index, end] of this.#ends.entries()) this.#listen(index, end, seen[index] ?? 0n);
    if (changed()) return true;
    await this.#wait(FALLBACK, true);
    return changed();
  }

  /** Waits, unless woken. */
  pause(milliseconds: number): Promise<void> {
    return this.#wait(milliseconds, false);
  }

  #listen(index: number, end: BigInt64Array<SharedArrayBuffer>, seen: bigint): void {
    if (this.#listening.has(index)) return;
    const wait = Atomics.waitAsync(end, 0, seen);
    if (!wait.async) return;
    this.#listening.add(index);
    void wait.value.then(() => {
      this.#listening.delete(index);
      this.#onGrowth?.();
    });
  }

  async #wait(milliseconds: number, forGrowth: boolean): Promise<void> {
    if (this.#woken) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#onWake = resolve;
    this.#onGrowth = forGrowth ? resolve : undefined;
    await promise;
    clearTimeout(timer);
    this.#onWake = this.#onGrowth = undefined;
  }
}
