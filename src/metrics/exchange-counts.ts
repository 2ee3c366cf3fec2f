import type { ExchangeCompleted, ExchangeDenied } from "../recording/events.ts";

/** How an exchange ended, as far as it is counted apart. */
export interface ExchangeLabels {
  readonly operation: string;
  readonly effect: "allow" | "deny";
  readonly outcome: (ExchangeCompleted | ExchangeDenied)["outcome"];
  readonly status: string;
}

interface Count {
  readonly labels: ExchangeLabels;
  value: number;
}

/**
 * Counts exchanges by how they ended. prom-client's counter makes one key of the labels each time, which takes longer than to look
 * through the few ways in which one operation ends.
 */
export class ExchangeCounts {
  readonly #byOperation = new Map<string, Count[]>();

  add(labels: ExchangeLabels): void {
    const { operation, effect, outcome, status } = labels;
    const counts = this.#byOperation.get(operation) ?? [];
    for (const count of counts) {
      const { labels: counted } = count;
      if (counted.status === status && counted.outcome === outcome && counted.effect === effect) {
        count.value += 1;
        return;
      }
    }
    if (counts.length === 0) this.#byOperation.set(operation, counts);
    counts.push({ labels, value: 1 });
  }

  /** As prom-client takes them. */
  get all(): [Record<keyof ExchangeLabels, string>, number][] {
    return [...this.#byOperation.values()].flat().map(({ labels, value }) => [{ ...labels }, value]);
  }
}
