import type { Figures } from "../measure.ts";
import type { ScenarioResult } from "../run.ts";

/** Characters of a reason that a table shows. */
const SHOWN = 120;

/** A figure of one measurement. */
export type Metric = (figures: Figures) => number;

export const METRICS = {
  cpuPerExchange: ({ cpu, exchanges }) => cpu / exchanges,
  cpuPerMegabyte: ({ cpu, bytes }) => cpu / (bytes / 1e6),
  exchangesPerSecond: ({ exchanges, seconds }) => exchanges / seconds,
  megabytesPerSecond: ({ bytes, seconds }) => bytes / 1e6 / seconds,
  p50: ({ p50 }) => p50 ?? Number.NaN,
  p99: ({ p99 }) => p99 ?? Number.NaN,
  toConsumerP50: ({ toConsumer }) => toConsumer?.p50 ?? Number.NaN,
  toConsumerP99: ({ toConsumer }) => toConsumer?.p99 ?? Number.NaN,
  peakRss: ({ peakRss }) => peakRss / 2 ** 20,
  rssGrowth: ({ rssGrowth }) => rssGrowth / 2 ** 20,
} as const satisfies Record<string, Metric>;

export function median(values: readonly number[]): number | undefined {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) return undefined;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** The median of a figure over the rounds. */
export function typical(result: ScenarioResult, peer: string, metric: Metric): number | undefined {
  return median(byRound(result, peer, metric));
}

/** The largest of a figure over the rounds. */
export function largest(result: ScenarioResult, peer: string, metric: Metric): number | undefined {
  const values = byRound(result, peer, metric).filter(Number.isFinite);
  return values.length === 0 ? undefined : Math.max(...values);
}

/** The median of the ratios of two peers, round by round: what slowed the machine down in a round did so to both. */
export function ratio(
  result: ScenarioResult,
  peer: string,
  base: string,
  metric: Metric,
): number | undefined {
  const bases = byRound(result, base, metric);
  return median(byRound(result, peer, metric).map((value, round) => value / (bases[round] ?? Number.NaN)));
}

/** A figure of each round; NaN where there is none. */
export function byRound(result: ScenarioResult, peer: string, metric: Metric): number[] {
  const rounds = result.measured.get(peer) ?? [];
  return rounds.map((measured) => (measured.state === "done" ? metric(measured.figures) : Number.NaN));
}

/** Why a peer has no figures; `undefined` when it has, or took no part. */
export function obstacle(result: ScenarioResult, peer: string): string | undefined {
  const rounds = result.measured.get(peer) ?? [];
  const last = rounds.at(-1);
  if (last === undefined || last.state === "done" || rounds.some(({ state }) => state === "done"))
    return undefined;
  const reason = last.reason.replaceAll(/\s+/g, " ").slice(0, SHOWN);
  return last.state === "unsupported" ? `not supported (${reason})` : `failed (${reason})`;
}
