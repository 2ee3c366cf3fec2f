import { Histogram, type OpenMetricsContentType, type Registry } from "prom-client";

export interface DurationHistogramOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly Label[];
  /** Upper bounds, in seconds. */
  readonly buckets: readonly number[];
  readonly registers: Registry<OpenMetricsContentType>[];
}

type Labels<Label extends string> = Readonly<Record<Label, string>>;

/**
 * prom-client's histogram, for what each exchange is seen in many times: its own looks labels and buckets up by name each time,
 * which is 0.3 µs, ten times what a place in an array takes. It is observed by its series.
 */
export class DurationHistogram<Label extends string = never> extends Histogram<Label> {
  readonly #options: DurationHistogramOptions<Label>;
  readonly #series: DurationSeries[] = [];

  constructor(options: DurationHistogramOptions<Label>) {
    const { labelNames = [], buckets, ...named } = options;
    super({ ...named, labelNames: [...labelNames], buckets: [...buckets] });
    this.#options = options;
  }

  /** A series of it, which is there from now on; each set of labels once. */
  series(labels: Labels<Label>): DurationSeries {
    const series = new DurationSeries(this.#options.buckets, labels);
    this.#series.push(series);
    return series;
  }

  override async get(): ReturnType<Histogram<Label>["get"]> {
    const { name, help } = this.#options;
    const values = this.#series.flatMap((series) => series.values(name));
    const metric = { name, help, type: "histogram", aggregator: "sum", values };
    // prom-client's declaration says of a type that it is a number, and knows no exemplars; its own values have both.
    return metric as unknown as Awaited<ReturnType<Histogram<Label>["get"]>>;
  }
}

/** What was observed with one set of labels. */
export class DurationSeries {
  readonly #bounds: readonly number[];
  readonly #labels: Readonly<Record<string, string>>;
  /** One more than there are bounds. */
  readonly #counts: Float64Array;
  readonly #exemplars: ({ labelSet: { trace_id: string }; value: number; timestamp: number } | undefined)[];
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[], labels: Readonly<Record<string, string>>) {
    this.#bounds = bounds;
    this.#labels = labels;
    this.#counts = new Float64Array(bounds.length + 1);
    this.#exemplars = Array.from({ length: bounds.length + 1 }, () => undefined);
  }

  /** @param trace in which it is found again. */
  observe(milliseconds: number, trace?: string): void {
    const value = milliseconds / 1_000;
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
    this.#count += 1;
    if (trace !== undefined)
      this.#exemplars[bucket] = { labelSet: { trace_id: trace }, value, timestamp: Date.now() / 1_000 };
  }

  /** As prom-client hands values on. */
  values(name: string): object[] {
    const labels = this.#labels;
    let sum = 0;
    const buckets = [...this.#counts].map((count, index) => {
      sum += count;
      const le = this.#bounds[index] ?? "+Inf";
      const exemplar = this.#exemplars[index];
      return { labels: { le, ...labels }, value: sum, metricName: `${name}_bucket`, exemplar };
    });
    return [
      ...buckets,
      { labels, value: this.#sum, metricName: `${name}_sum` },
      { labels, value: this.#count, metricName: `${name}_count` },
    ];
  }
}
