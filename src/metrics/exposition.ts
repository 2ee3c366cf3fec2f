import { AggregatorRegistry, type MetricObject, Registry, type RegistryContentType } from "prom-client";

/** A registry's metrics as prom-client hands them from process to process. */
export type MetricsJson = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** One of both text formats. */
export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
  exemplar?: { readonly timestamp: number } | null | undefined;
}

/**
 * The metrics of all processes as one text: in OpenMetrics' format, which has exemplars, for whoever accepts it.
 *
 * @param accept the request's `Accept`.
 */
export async function expose(
  processes: readonly MetricsJson[],
  accept: string | undefined,
): Promise<Exposition> {
  const open = accept?.includes("application/openmetrics-text") === true;
  const contentType = open ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  const named = open ? processes.map((metrics) => metrics.map(withoutTotal)) : processes;
  const registry: Registry<RegistryContentType> = AggregatorRegistry.aggregate([...named]);
  registry.setContentType(contentType);
  if (open) await addExemplars(registry, named);
  return { contentType, text: await registry.metrics() };
}

/** In OpenMetrics `_total` is no part of a counter's name, but of its one sample's, where prom-client puts it. */
function withoutTotal(metric: MetricsJson[number]): MetricsJson[number] {
  // The declaration says that it is a number; it is a word.
  if (String(metric.type) !== "counter") return metric;
  return { ...metric, name: metric.name.replace(/_total$/, "") };
}

/** prom-client's aggregation leaves them out: of several processes the latest one stands for all. */
async function addExemplars(
  registry: Registry<RegistryContentType>,
  processes: readonly MetricsJson[],
): Promise<void> {
  for (const name of new Set(processes.flatMap((metrics) => metrics.map((metric) => metric.name)))) {
    const latest = new Map<string, NonNullable<Value["exemplar"]>>();
    for (const value of processes.flatMap((metrics) =>
      valuesOf(metrics.find((each) => each.name === name)),
    )) {
      const { exemplar } = value;
      if (exemplar === undefined || exemplar === null) continue;
      if (exemplar.timestamp >= (latest.get(keyOf(value))?.timestamp ?? 0))
        latest.set(keyOf(value), exemplar);
    }
    if (latest.size === 0) continue;
    for (const value of valuesOf(await registry.getSingleMetric(name)?.get()))
      value.exemplar = latest.get(keyOf(value));
  }
}

function valuesOf(metric: Pick<MetricObject, "name"> | undefined): readonly Value[] {
  return (metric as { readonly values?: readonly Value[] } | undefined)?.values ?? [];
}

function keyOf({ metricName = "", labels }: Value): string {
  return JSON.stringify([metricName, Object.entries(labels).sort()]);
}
