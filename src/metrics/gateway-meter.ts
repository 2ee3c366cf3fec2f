import { Registry } from "prom-client";
import {
  ARCHIVE_METRIC,
  DELIVERY_METRICS,
  declareGatewayMetrics,
  type GatewayMetrics,
} from "./declarations.ts";
import { type Exposition, expose, type MetricsJson } from "./exposition.ts";
import { collectProcessMetrics } from "./process-metrics.ts";

/** What the gateway's own process counts; the relays' numbers come with each scrape. */
export class GatewayMeter {
  readonly registry = new Registry();
  readonly metrics: GatewayMetrics = declareGatewayMetrics(this.registry);

  /**
   * @param shape what there is to measure: what there is not has no metric. A relay in this process measures the process itself.
   */
  constructor({ delivery, archive, workers }: Readonly<Record<"delivery" | "archive" | "workers", boolean>>) {
    if (workers) collectProcessMetrics(this.registry);
    if (!archive) this.registry.removeSingleMetric(ARCHIVE_METRIC);
    if (!delivery) for (const name of DELIVERY_METRICS) this.registry.removeSingleMetric(name);
  }

  /** @param relays what the relays measure. */
  async expose(relays: readonly MetricsJson[], accept: string | undefined): Promise<Exposition> {
    return await expose([await this.registry.getMetricsAsJSON(), ...relays], accept);
  }
}
