interface Waiter {
  readonly bytes: number;
  readonly session: string;
  resolve(taken: boolean): void;
}

/**
 * Bytes held over all exchanges. Streams only count what they hold, and shrink their windows when the budget is
 * {@link tight}; a body that must be held whole waits for all of its room first. So nobody waits while holding what another
 * waits for.
 *
 * A session may reserve as much as it leaves to the others ("dynamic threshold", as switches share their buffers): however
 * slowly its bodies come, the next session finds room.
 */
export class ByteBudget {
  readonly #limit: number;
  readonly #waiting = new Set<Waiter>();
  readonly #reserved = new Map<string, number>();
  #used = 0;

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

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.#waiting.size > 0) this.#serve();
  }

  /**
   * Resolves when there is room for as many bytes, which are then taken: `true`. More than the whole budget waits for all
   * of it.
   *
   * @param patience milliseconds; then `false`, and nothing is taken.
   */
  reserve(bytes: number, patience: number, session: string): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter);
        resolve(false);
        // It may have stood in the way of smaller ones.
        this.#serve();
      }, patience);
      const waiter: Waiter = {
        bytes,
        session,
        resolve: (taken) => {
          clearTimeout(timer);
          resolve(taken);
        },
      };
      this.#waiting.add(waiter);
      this.#serve();
    });
  }

  /** Of what was reserved. */
  giveBack(bytes: number, session: string): void {
    const left = (this.#reserved.get(session) ?? 0) - bytes;
    if (left > 0) this.#reserved.set(session, left);
    else this.#reserved.delete(session);
    this.give(bytes);
  }

  #serve(): void {
    for (const waiter of this.#waiting) {
      const { bytes, session } = waiter;
      const own = this.#reserved.get(session) ?? 0;
      // It waits for its own session, and is in nobody's way.
      if (own > 0 && own + bytes > this.#limit - this.#used - bytes) continue;
      if (this.#used + bytes > this.#limit && this.#used > 0) return;
      this.#waiting.delete(waiter);
      this.#used += bytes;
      this.#reserved.set(session, own + bytes);
      waiter.resolve(true);
    }
  }
}
