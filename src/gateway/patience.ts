/** Milliseconds between two looks: how late a wait may end. */
const LOOK = 50;

/**
 * Somebody is waited for, until this is ended. One timer looks after all waits, as an exchange has three of them at least
 * and nearly all end in time.
 *
 * They are a linked list, not a Set: V8's hash tables point to the table that replaced them, so what has gone through one
 * that changes all the time is kept alive from one collection to the next.
 */
export class Wait {
  readonly #until: number;
  readonly #expired: () => void;
  #before: Wait | undefined;
  #after: Wait | undefined;
  #ended = false;

  static #first: Wait | undefined;
  static #ticker: NodeJS.Timeout | undefined;

  /** @param expired is called once, when it took longer than so many milliseconds. */
  constructor(milliseconds: number, expired: () => void) {
    this.#until = performance.now() + milliseconds;
    this.#expired = expired;
    this.#after = Wait.#first;
    if (Wait.#first !== undefined) Wait.#first.#before = this;
    Wait.#first = this;
    Wait.#ticker ??= setInterval(Wait.#look, LOOK);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#after !== undefined) this.#after.#before = this.#before;
    if (this.#before !== undefined) this.#before.#after = this.#after;
    else Wait.#first = this.#after;
    this.#before = this.#after = undefined;
  }

  static #goesOn(wait: Wait | undefined): boolean {
    return wait === undefined || !wait.#ended;
  }

  static #look(): void {
    const now = performance.now();
    for (let wait = Wait.#first; wait !== undefined; ) {
      const after: Wait | undefined = wait.#after;
      if (now >= wait.#until) {
        wait.end();
        wait.#expired();
      }
      // What was called may have ended the next one, too: then it begins anew.
      wait = Wait.#goesOn(after) ? after : Wait.#first;
    }
    if (Wait.#first !== undefined) return;
    clearInterval(Wait.#ticker);
    Wait.#ticker = undefined;
  }
}
