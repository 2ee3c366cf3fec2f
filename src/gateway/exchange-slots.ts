/** Sessions remembered with nothing under way; to forget each at once would cost more than to keep some. */
const MAX_IDLE = 1_000;

/** How many exchanges each session has under way. */
export class ExchangeSlots {
  readonly #limit: number;
  readonly #taken = new Map<string, number>();
  #idle = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether the session may have another; if so, {@link leave} when it ends. */
  enter(session: string): boolean {
    const taken = this.#taken.get(session);
    if (taken !== undefined && taken >= this.#limit) return false;
    if (taken === 0) this.#idle -= 1;
    this.#taken.set(session, (taken ?? 0) + 1);
    return true;
  }

  leave(session: string): void {
    const left = (this.#taken.get(session) ?? 1) - 1;
    this.#taken.set(session, left);
    if (left > 0) return;
    this.#idle += 1;
    if (this.#idle <= MAX_IDLE) return;
    for (const [each, taken] of this.#taken) if (taken === 0) this.#taken.delete(each);
    this.#idle = 0;
  }
}
