import type { ScenarioResult } from "../run.ts";
import { byRound, largest, METRICS, median, obstacle, ratio, typical } from "./statistics.ts";

/** A figure that bqtape is held to. */
export interface Bar {
  readonly figure: string;
  /** What was measured, in words: the parts that the figure is made of, too. */
  readonly measured: string;
  readonly bar: string;
  readonly aim: string;
  /** `in part`: what was measured is within the bar, and something was not measured. */
  readonly met: "yes, the aim" | "yes" | "no" | "in part" | "not measured";
}

interface Limits {
  readonly bar: number;
  /** Absent: the bar is all there is. */
  readonly aim?: number;
  /** Whether less is better. */
  readonly below: boolean;
  readonly unit: string;
}

interface Part {
  readonly label: string;
  readonly value: number | undefined;
  readonly obstacle?: string | undefined;
}

const RATIO = { below: true, unit: "" } as const;
const RATE = { below: false, unit: " MB/s" } as const;
const GROWTH = { bar: 64, aim: 32, below: true, unit: " MiB" } as const;

/** What delivery has to reach of its client alone, where that is less than the bar. */
const SHARE_OF_CLIENT = 0.7;

const STEADY = "steady-500";

/** The bars, for the gateway whose variants' names begin with `prefix`. */
export function judge(results: readonly ScenarioResult[], prefix: string): Bar[] {
  const of = (name: string): ScenarioResult | undefined =>
    results.find(({ scenario }) => scenario.name === name);
  const cpu = (variant: string, scenarios: readonly string[]): Part[] =>
    scenarios.map((name) =>
      part(of(name), `${prefix}-${variant}`, name, (result, peer) =>
        ratio(result, peer, "stock", METRICS.cpuPerExchange),
      ),
    );
  const growth = (scenarios: (name: string) => boolean): Part[] =>
    results
      .filter(({ scenario }) => scenario.name.startsWith("memory-") && scenarios(scenario.name))
      .flatMap((result) =>
        ["fsync", "written"].map((variant) =>
          part(result, `${prefix}-${variant}`, `${result.scenario.name.slice(7)} ${variant}`, (from, peer) =>
            largest(from, peer, METRICS.rssGrowth),
          ),
        ),
      );
  const kept = ["kept-8", "kept-32"];
  const rate = (result: ScenarioResult, peer: string): number | undefined =>
    typical(result, peer, METRICS.megabytesPerSecond);
  const delivered = (client: string): Part =>
    part(of("backlog"), `${prefix}-delivery-${client}`, "backlog", rate);
  const alone = (client: string): number | undefined =>
    part(of("backlog"), `${prefix}-client-${client}`, "backlog", rate).value;
  return [
    bar("CPU per small exchange, kept connections, fsync ÷ stock", cpu("fsync", kept), {
      ...RATIO,
      bar: 1.1,
      aim: 0.8,
    }),
    bar("CPU per small exchange, kept connections, written ÷ stock", cpu("written", kept), {
      ...RATIO,
      bar: 0.85,
      aim: 0.65,
    }),
    bar("CPU per small exchange, fsync and the archive, all threads ÷ stock", cpu("archive", kept), {
      ...RATIO,
      bar: 1.5,
      aim: 1.1,
    }),
    bar("CPU per query with one connection each, fsync ÷ stock", cpu("fsync", ["per-query"]), {
      ...RATIO,
      bar: 1,
      aim: 0.7,
    }),
    bar(
      "p50 added over direct at one connection, written ÷ stock",
      [part(of("kept-1"), `${prefix}-written`, "kept-1", addedLatency)],
      { ...RATIO, bar: 1, aim: 0.7 },
    ),
    bar(
      "Large answer recorded, MB/s ÷ stock",
      ["fsync", "written"].map((variant) =>
        part(of("answer"), `${prefix}-${variant}`, variant, (result, peer) =>
          ratio(result, peer, "stock", METRICS.megabytesPerSecond),
        ),
      ),
      { bar: 0.6, aim: 0.9, below: false, unit: "" },
    ),
    bar(
      "Peak RSS growth during large bodies, any direction and pace",
      growth((name) => !name.includes("grpc")),
      GROWTH,
    ),
    bar(
      "Peak RSS growth during a gRPC stream, stalled client",
      growth((name) => name === "memory-grpc-stalled"),
      GROWTH,
    ),
    bar("CPU per small exchange, fsync and delivery to Kafka, all threads ÷ stock", cpu("kafka", kept), {
      ...RATIO,
      bar: 1.6,
      aim: 1.2,
    }),
    bar(
      "p50 of an exchange, with delivery to Kafka ÷ the journal alone",
      ["kept-1", STEADY].map((name) =>
        part(of(name), `${prefix}-kafka`, name, (result, peer) =>
          ratio(result, peer, `${prefix}-fsync`, METRICS.p50),
        ),
      ),
      { ...RATIO, bar: 1.15 },
    ),
    bar("Sustained delivery to Kafka, 64 KiB chunks, kafkajs", [delivered("kafkajs")], { ...RATE, bar: 80 }),
    bar(
      "Sustained delivery to Kafka, 64 KiB chunks, platformatic, or as much of the client alone",
      [delivered("platformatic")],
      { ...RATE, bar: Math.min(200, Math.round(SHARE_OF_CLIENT * (alone("platformatic") ?? Infinity))) },
    ),
    bar(
      "Event to consumer at 500 exchanges a second, p99",
      [
        part(of(STEADY), `${prefix}-kafka`, STEADY, (from, peer) =>
          typical(from, peer, METRICS.toConsumerP99),
        ),
      ],
      { below: true, unit: " ms", bar: 250 },
    ),
  ];
}

function addedLatency(result: ScenarioResult, peer: string): number | undefined {
  const [ours, stock, direct] = [peer, "stock", "direct"].map((name) => byRound(result, name, METRICS.p50));
  return median(
    (ours ?? []).map((p50, round) => {
      const base = direct?.[round] ?? Number.NaN;
      return (p50 - base) / ((stock?.[round] ?? Number.NaN) - base);
    }),
  );
}

function part(
  result: ScenarioResult | undefined,
  peer: string,
  label: string,
  figure: (result: ScenarioResult, peer: string) => number | undefined,
): Part {
  if (result === undefined) return { label, value: undefined };
  return { label, value: figure(result, peer), obstacle: obstacle(result, peer) };
}

/** The worst part counts. */
function bar(figure: string, parts: readonly Part[], { bar, aim, below, unit }: Limits): Bar {
  const values = parts.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const worst = values.length === 0 ? undefined : below ? Math.max(...values) : Math.min(...values);
  const within = (limit: number): boolean => worst !== undefined && (below ? worst <= limit : worst >= limit);
  const verdict = (): Bar["met"] => {
    if (worst === undefined) return "not measured";
    if (!within(bar)) return "no";
    if (parts.some(({ obstacle }) => obstacle !== undefined)) return "in part";
    return aim !== undefined && within(aim) ? "yes, the aim" : "yes";
  };
  const show = (value: number): string => `${unit === "" ? value.toFixed(2) : Math.round(value)}${unit}`;
  const details = parts
    .filter(({ value, obstacle }) => value !== undefined || obstacle !== undefined)
    .map(({ label, value, obstacle }) => `${label} ${value === undefined ? obstacle : show(value)}`);
  const sign = below ? "≤" : "≥";
  return {
    figure,
    measured: [
      worst === undefined ? "–" : show(worst),
      ...(parts.length > 1 || worst === undefined ? [`(${details.join("; ")})`] : []),
    ]
      .filter((text) => text !== "()")
      .join(" "),
    bar: `${sign} ${bar}${unit}`,
    aim: aim === undefined ? "–" : `${aim}${unit}`,
    met: verdict(),
  };
}
