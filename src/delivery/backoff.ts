/** Milliseconds. At least one library fails at once, over and over, while a partition has no leader. */
const FIRST = 100;
const LAST = 10_000;

/** How long to wait before each next attempt: twice as long as before, and by chance up to half less, so that gateways do not come all at once. */
export class Backoff {
  readonly #chance: () => number;
  #next = FIRST;

  /** @param chance from 0 to 1; default: `Math.random`. */
  constructor(chance: () => number = Math.random) {
    this.#chance = chance;
  }

  /** Milliseconds. */
  next(): number {
    const pause = this.#next * (1 - this.#chance() / 2);
    this.#next = Math.min(this.#next * 2, LAST);
    return Math.round(pause);
  }

  /** It went well: the next wait is short again. */
  reset(): void {
    this.#next = FIRST;
  }
}
