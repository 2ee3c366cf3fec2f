import type { JournalError } from "./errors.ts";

interface Waiter {
  readonly position: number;
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

/** Those who wait until a journal is safe, in one sense, up to a position. */
export class Waiters {
  /** In the order of their positions: who comes later waits for more. */
  readonly #waiters: Waiter[] = [];

  get count(): number {
    return this.#waiters.length;
  }

  add(position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ position, resolve, reject });
    });
  }

  /** All up to the position is safe. */
  settle(position: number): void {
    let count = 0;
    for (const waiter of this.#waiters) {
      if (waiter.position > position) break;
      waiter.resolve();
      count += 1;
    }
    if (count > 0) this.#waiters.splice(0, count);
  }

  /** It is not waited for any longer. */
  reject(error: JournalError): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
