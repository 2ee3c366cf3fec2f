/** Ends an exchange's waiting from outside: for Kafka, or for room in the journal, it might wait as long as these are away. */
export class Interruption {
  #cause: Error | undefined;
  #waiting: Set<(cause: Error) => void> | undefined;

  /** Whoever waits, now or later, is told the first cause. */
  raise(cause: Error): void {
    this.#cause ??= cause;
    for (const reject of this.#waiting ?? []) reject(this.#cause);
  }

  /** Settles as the promise does; rejects when it is interrupted first. */
  async race<T>(promise: Promise<T>): Promise<T> {
    // What nobody waits for any more may still fail.
    promise.catch(() => undefined);
    if (this.#cause !== undefined) throw this.#cause;
    const { promise: interrupted, reject } = Promise.withResolvers<never>();
    this.#waiting ??= new Set();
    this.#waiting.add(reject);
    try {
      return await Promise.race([promise, interrupted]);
    } finally {
      this.#waiting.delete(reject);
    }
  }
}
