/** How many exchanges each session has under way. */
export class ExchangeSlots {
  readonly #limit: number;
  readonly #taken = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether the session may have another; if so, {@link leave} when it ends. */
  enter(session: string): boolean {
    const taken = this.#taken.get(session) ?? 0;
    if (taken >= this.#limit) return false;
    this.#taken.set(session, taken + 1);
    return true;
  }

  leave(session: string): void {
    const taken = this.#taken.get(session) ?? 0;
    if (taken > 1) this.#taken.set(session, taken - 1);
    else this.#taken.delete(session);
  }
}
