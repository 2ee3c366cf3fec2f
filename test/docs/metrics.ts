import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from "prom-client";
import {
  ARCHIVE_METRIC,
  DELIVERY_METRICS,
  DURATION_BUCKETS,
  declareGatewayMetrics,
  declareRelayMetrics,
} from "../../src/metrics/declarations.ts";
import { code, codes, GENERATED, page, table } from "./markdown.ts";

export interface MetricFacts {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

/** What prom-client's metrics have besides their documented methods. */
interface Declared {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** `docs/reference/metrics.md` */
export function metricsPage(): string {
  return page(
    "# Metrics",
    GENERATED,
    `\`GET /metrics\` of the control listener, or of \`metrics.listen\`, in Prometheus' text format, and with exemplars (trace ids of the requests'
\`traceparent\`) in OpenMetrics' for whoever accepts it. Who may read it: [the API's reference](api.md). With \`proxy.workers\` greater than 1 a scrape adds
the workers' numbers up; of expiry times the earliest counts.`,
    `Histograms have buckets at ${DURATION_BUCKETS.join(", ")} seconds. No label names a person, a session or a table.`,
    "## Traffic",
    metricsTable(relayMetrics()),
    "## The gateway as a whole",
    metricsTable(gatewayMetrics()),
    `Without an archive there is no ${code(ARCHIVE_METRIC)}. Without \`kafka\` there are none of ${codes(DELIVERY_METRICS)}.`,
    "Besides these there are prom-client's own of the Node.js processes, `process_…` and `nodejs_…`, summed over the processes.",
  );
}

export function relayMetrics(): MetricFacts[] {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return Object.values(declareRelayMetrics(registry)).map(factsOf);
}

/** Without those that relays have, too. */
export function gatewayMetrics(): MetricFacts[] {
  const ofRelays = new Set(relayMetrics().map(({ name }) => name));
  const all = Object.values(declareGatewayMetrics(new Registry())).map(factsOf);
  return all.filter(({ name }) => !ofRelays.has(name));
}

function factsOf(metric: object): MetricFacts {
  const { name, help, labelNames } = metric as Declared;
  const type = metric instanceof Counter ? "counter" : metric instanceof Histogram ? "histogram" : "gauge";
  if (type === "gauge" && !(metric instanceof Gauge)) throw new TypeError(`${name} is of an unknown type`);
  return { name, type, labels: labelNames, help };
}

function metricsTable(metrics: readonly MetricFacts[]): string {
  const rows = metrics.map(({ name, type, labels, help }) => [code(name), type, codes(labels), help]);
  return table(["metric", "type", "labels", "help"], rows);
}
