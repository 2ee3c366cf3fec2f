/**
 * Bytes held over all exchanges. Streams only count what they hold, and shrink their windows when the budget is
 * {@link tight}; a body that must be held whole waits for its room first. So nobody waits while holding what another
 * waits for.
 */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;
  #waiting: { readonly bytes: number; resolve(taken: boolean): void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether streams should hold little. They leave a quarter to bodies that are held whole. */
  get tight(): boolean {
    return this.#used >= this.#limit * 0.75;
  }

  /** Counts bytes that are held already. */
  take(bytes: number): void {
    this.#used += bytes;
  }

  /**
   * Resolves when there is room for as many bytes, which are then taken: `true`. More than the whole budget waits for all
   * of it.
   *
   * @param patience milliseconds; then `false`, and nothing is taken.
   */
  reserve(bytes: number, patience: number): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const waiter = { bytes, resolve };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((each) => each !== waiter);
        resolve(false);
        // It may have stood in the way of smaller ones.
        this.give(0);
      }, patience);
      waiter.resolve = (taken) => {
        clearTimeout(timer);
        resolve(taken);
      };
      this.#waiting.push(waiter);
    });
  }

  give(bytes: number): void {
    this.#used -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.resolve(true);
    }
  }

  #fits(bytes: number): boolean {
    return this.#used + bytes <= this.#limit || this.#used === 0;
  }
}
