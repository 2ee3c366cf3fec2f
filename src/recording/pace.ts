/** Milliseconds for which calls go by other threads after one that was slow, at first and at most. */
const FIRST_PAUSE = 50;
const LAST_PAUSE = 2_000;

/**
 * Whether the disk is quick enough to be called on the thread that carries traffic, which saves what it costs to have another
 * thread do it and to be told. One slow call lets the next ones go by other threads for a while; a disk that is found slow
 * again is left alone twice as long each time, so that it takes a small share of this thread's time.
 */
export class Pace {
  readonly #slow: number;
  #pause = FIRST_PAUSE;
  #until = 0;

  /** @param slow milliseconds from which on a call is slow */
  constructor(slow: number) {
    this.#slow = slow;
  }

  get quick(): boolean {
    return performance.now() >= this.#until;
  }

  /** Makes a call here, and learns from how long it takes. */
  call(call: () => void): void {
    const from = performance.now();
    call();
    const now = performance.now();
    if (now - from < this.#slow) {
      this.#pause = FIRST_PAUSE;
      return;
    }
    this.#until = now + this.#pause;
    this.#pause = Math.min(this.#pause * 2, LAST_PAUSE);
  }
}
