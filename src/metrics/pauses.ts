/** For whom an exchange waits in the middle of its way. */
export const PAUSE_CAUSES = ["agent", "upstream", "journal", "kafka"] as const;
export type PauseCause = (typeof PAUSE_CAUSES)[number];

/** Counts the waits of exchanges, those that still last included: a pause that never ends must be seen, too. */
export class Pauses {
  readonly #waits = Object.fromEntries(PAUSE_CAUSES.map((cause) => [cause, new Waits()])) as Record<
    PauseCause,
    Waits
  >;

  async during<Result>(cause: PauseCause, wait: Promise<Result>): Promise<Result> {
    const began = this.begin(cause);
    try {
      return await wait;
    } finally {
      this.end(cause, began);
    }
  }

  /** A wait that begins; what is returned belongs to its {@link end}. */
  begin(cause: PauseCause): number {
    const now = performance.now();
    this.#waits[cause].begin(now);
    return now;
  }

  /** Milliseconds that the wait has taken. */
  end(cause: PauseCause, began: number): number {
    const now = performance.now();
    this.#waits[cause].end(began, now);
    return now - began;
  }

  /** Exchanges that wait now. */
  waiting(cause: PauseCause): number {
    return this.#waits[cause].running;
  }

  /** Milliseconds that were waited until now. */
  waited(cause: PauseCause): number {
    return this.#waits[cause].total;
  }
}

/** Many waits, without an entry for each: those that run have lasted `running × now − the sum of their beginnings`. */
class Waits {
  running = 0;
  #ended = 0;
  #beginnings = 0;

  begin(at: number): void {
    this.running += 1;
    this.#beginnings += at;
  }

  end(began: number, at: number): void {
    this.running -= 1;
    this.#beginnings -= began;
    this.#ended += at - began;
    // Sums of fractions drift; with nothing in them they are nothing.
    if (this.running === 0) this.#beginnings = 0;
  }

  get total(): number {
    return this.#ended + this.running * performance.now() - this.#beginnings;
  }
}
