import { AggregatorRegistry } from "prom-client";
import { CONTINUED } from "./declarations.ts";
import type { MetricsJson } from "./exposition.ts";

/**
 * What the processes that had one worker's place have counted. Without those that ended, the sum over all workers would fall, and
 * Prometheus takes a counter that falls for one that began anew at zero: all that the others ever counted would be an increase.
 */
export class LastingCounts {
  #ended: MetricsJson[] = [];
  #latest: MetricsJson = [];

  /** All that there is to add up, when the process that runs now has measured this: nothing, if it does not answer. */
  async with(metrics: MetricsJson): Promise<readonly MetricsJson[]> {
    this.#latest = metrics.length > 0 ? metrics : this.#latest.filter(lasts);
    return await this.asBefore();
  }

  /** The same, of a process that runs and does not answer: as it was measured last. */
  async asBefore(): Promise<readonly MetricsJson[]> {
    if (this.#ended.length > 1) {
      this.#ended = [await AggregatorRegistry.aggregate(this.#ended).getMetricsAsJSON()];
    }
    return [this.#latest, ...this.#ended];
  }

  /** The process has ended. What it counted since it was asked for the last time, nobody has seen: that is gone. */
  end(): void {
    if (this.#latest.length > 0) this.#ended.push(this.#latest.filter(lasts));
    this.#latest = [];
  }
}

function lasts({ name, type }: MetricsJson[number]): boolean {
  // The declaration says that a type is a number; it is a word.
  return ["counter", "histogram"].includes(String(type)) && !CONTINUED.has(name);
}
