import { type Counter, type OpenMetricsContentType, Registry } from "prom-client";
import type { ExchangeCompleted, ExchangeDenied } from "../recording/events.ts";
import { RUNNING_PHASES, type RunningPhase } from "../recording/phases.ts";
import type { EndedExchange } from "../recording/recorder.ts";
import { traceIdOf } from "../tracing/trace-context.ts";
import { addedLatency } from "./added-latency.ts";
import { declareRelayMetrics, type RelayMetrics } from "./declarations.ts";
import type { DurationSeries } from "./duration-histogram.ts";
import { ExchangeCounts } from "./exchange-counts.ts";
import type { MetricsJson } from "./exposition.ts";
import { FAILURE_CAUSES, type FailureCause, failureOf } from "./failures.ts";
import { PAUSE_CAUSES, Pauses } from "./pauses.ts";
import { collectProcessMetrics } from "./process-metrics.ts";

/** What one relay counts. Numbers that somebody else has anyway are looked up when they are asked for. */
export class RelayMeter {
  /** Only such a one has exemplars. */
  readonly registry = openMetricsRegistry();
  readonly metrics: RelayMetrics = declareRelayMetrics(this.registry);
  readonly pauses = new Pauses();
  readonly #phases: readonly (readonly [RunningPhase, DurationSeries])[] = RUNNING_PHASES.map((phase) => [
    phase,
    this.metrics.phaseDuration.series({ phase }),
  ]);
  readonly #total = this.metrics.exchangeDuration.series({});
  readonly #added = this.metrics.addedLatency.series({});
  readonly #exchanges = new ExchangeCounts();
  readonly #bytes = { request: 0, response: 0 };
  inFlight = 0;
  tunnels = 0;
  connections = 0;
  readonly #looks: (() => void)[] = [];

  constructor() {
    collectProcessMetrics(this.registry);
    // A counter that begins with its first failure never shows that one to rate().
    for (const cause of FAILURE_CAUSES) this.metrics.failures.inc({ cause }, 0);
    const { exchanges, exchangesInFlight, tunnelsOpen, connectionsOpen, paused, pausedSeconds, bodyBytes } =
      this.metrics;
    this.onScrape(() => {
      showCount(exchanges, this.#exchanges.all);
      exchangesInFlight.set(this.inFlight);
      tunnelsOpen.set(this.tunnels);
      connectionsOpen.set(this.connections);
      for (const cause of PAUSE_CAUSES) paused.set({ cause }, this.pauses.waiting(cause));
      showCount(
        pausedSeconds,
        PAUSE_CAUSES.map((cause) => [{ cause }, this.pauses.waited(cause) / 1_000] as const),
      );
      const { request, response } = this.#bytes;
      showCount(bodyBytes, [
        [{ direction: "request" }, request],
        [{ direction: "response" }, response],
      ]);
    });
  }

  /** Has something looked up before each scrape. */
  onScrape(look: () => void): void {
    this.#looks.push(look);
  }

  /** All of it, as prom-client's aggregation takes it. */
  scrape(): Promise<MetricsJson> {
    for (const look of this.#looks) look();
    return this.registry.getMetricsAsJSON();
  }

  exchangeEnded(ended: EndedExchange): void {
    const { requested, end } = ended;
    const operation = requested?.operation.name ?? "none";
    const effect = requested?.decision.effect ?? "deny";
    this.#exchanges.add({ operation, effect, outcome: end.outcome, status: statusOf(end) });
    const cause = failureOf(end);
    if (cause !== undefined) this.metrics.failures.inc({ cause });
    this.#bytes.request += end.request.bytes;
    this.#bytes.response += end.response.bytes;
    // How long a tunnel is open says nothing of anybody.
    if (operation !== "tunnel") this.#durations(ended);
  }

  /** Counts an exchange that was turned away and is not in the recording, since that takes nothing. */
  turnedAway(cause: FailureCause, status: number): void {
    this.#exchanges.add({ operation: "none", effect: "deny", outcome: "denied", status: String(status) });
    this.metrics.failures.inc({ cause });
  }

  #durations(ended: EndedExchange): void {
    const { phases } = ended.end;
    for (const [phase, series] of this.#phases) {
      const milliseconds = phases[phase];
      if (milliseconds !== undefined) series.observe(milliseconds);
    }
    const trace = traceIdOf(ended);
    this.#total.observe(phases.total ?? 0, trace);
    const added = addedLatency(ended);
    if (added !== undefined) this.#added.observe(added, trace);
  }
}

function openMetricsRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/** Has a counter show what something else has counted. */
export function showCount<Label extends string>(
  counter: Counter<Label>,
  counts: readonly (readonly [labels: Partial<Record<Label, string>>, value: number])[],
): void {
  counter.reset();
  for (const [labels, value] of counts) counter.inc(labels, value);
}

function statusOf({ status, grpcStatus }: ExchangeCompleted | ExchangeDenied): string {
  // A number that upstream made up would be a series of its own: google.rpc.Code has 17.
  if (grpcStatus !== undefined) return grpcStatus <= 16 ? `grpc-${grpcStatus}` : "grpc-other";
  return String(status);
}
