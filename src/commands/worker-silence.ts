/** Milliseconds between two signs of life of a worker, and between two looks at who has given one. */
export const LOOK = 1_000;
/** Looks without a sign until a worker counts as silent: longer than it stands still for garbage or a body of megabytes. */
export const SILENT_AFTER = 10;
/** Looks until it is lost: what it carries has waited for as long as many a client does. */
export const LOST_AFTER = 30;

/** Who has just become silent, and who has to be replaced. */
export interface Silence {
  readonly silent: readonly string[];
  readonly lost: string | undefined;
}

/**
 * Knows which workers have said nothing for a while: their event loop hangs, or the process stands still. Counted in looks, not
 * by the clock, and only in those that came on time: when whoever looks stood still, the whole machine may have.
 */
export class WorkerSilence {
  /** Looks since it said something, by worker. */
  readonly #looks = new Map<string, number>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** One at a time: that its successor starts shows that the machine lets workers run. */
  #replaced: string | undefined;

  heard(worker: string): void {
    this.#looks.set(worker, 0);
  }

  started(worker: string): void {
    this.heard(worker);
    if (this.#replaced === worker) this.#replaced = undefined;
  }

  isSilent(worker: string): boolean {
    return this.#looksOf(worker) >= SILENT_AFTER;
  }

  /** @param workers those that have started. */
  look(workers: readonly string[], now = performance.now()): Silence {
    const late = now - this.#lookedAt > 2 * LOOK;
    this.#lookedAt = now;
    if (late) return { silent: [], lost: undefined };
    for (const worker of workers) this.#looks.set(worker, this.#looksOf(worker) + 1);
    const silent = workers.filter((worker) => this.#looksOf(worker) === SILENT_AFTER);
    return { silent, lost: this.#lostOf(workers) };
  }

  #lostOf(workers: readonly string[]): string | undefined {
    if (this.#replaced !== undefined) return undefined;
    this.#replaced = workers.find((worker) => this.#looksOf(worker) >= LOST_AFTER);
    return this.#replaced;
  }

  #looksOf(worker: string): number {
    return this.#looks.get(worker) ?? 0;
  }
}
