import { collectDefaultMetrics, type Registry, type RegistryContentType } from "prom-client";

/** These go through every handle of the process, twice: with ten thousand connections that is half of a scrape. */
const DEAR = [
  "nodejs_active_handles",
  "nodejs_active_handles_total",
  "nodejs_active_requests",
  "nodejs_active_requests_total",
  "nodejs_active_resources",
  "nodejs_active_resources_total",
] as const;

/** Memory, processor time, file descriptors, event-loop delay and garbage collection of this process, as prom-client has them. */
export function collectProcessMetrics<Type extends RegistryContentType>(registry: Registry<Type>): void {
  collectDefaultMetrics({ register: registry });
  for (const name of DEAR) registry.removeSingleMetric(name);
}
