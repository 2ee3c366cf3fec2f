/** Milliseconds between two looks: how late a wait may end. */
const LOOK = 50;

/** Somebody is waited for, until this is ended. */
export class Wait {
  readonly #until: number;
  readonly #expired: () => void;

  /** @param expired is called once, when it took longer than so many milliseconds. */
  constructor(milliseconds: number, expired: () => void) {
    this.#until = performance.now() + milliseconds;
    this.#expired = expired;
    waits.add(this);
    ticker ??= setInterval(look, LOOK);
  }

  end(): void {
    waits.delete(this);
  }

  /** Ends it when its time is over. */
  look(now: number): void {
    if (now < this.#until) return;
    this.end();
    this.#expired();
  }
}

/*
 * One timer looks after all waits. An exchange has three of them at least, and nearly all end in time: a set's entry costs
 * a tenth of a timer.
 */
const waits = new Set<Wait>();
let ticker: NodeJS.Timeout | undefined;

function look(): void {
  const now = performance.now();
  for (const wait of waits) wait.look(now);
  if (waits.size > 0) return;
  clearInterval(ticker);
  ticker = undefined;
}
