import type { Machine } from "../machine.ts";
import type { Part, Peer } from "../peers/peer.ts";
import type { ScenarioResult } from "../run.ts";
import type { Bar } from "./bars.ts";
import { METRICS, type Metric, obstacle, ratio, typical } from "./statistics.ts";

export interface Run {
  readonly machine: Machine;
  readonly peers: readonly Peer[];
  readonly missing: readonly string[];
  readonly results: readonly ScenarioResult[];
  readonly bars: readonly Bar[];
}

/** The whole run as Markdown. */
export function toMarkdown({ machine, peers, missing, results, bars }: Run): string {
  const { cpu, cores, memoryGiB, kernel, node, syncP50, syncP99, load, memoryLimit } = machine;
  const memory =
    memoryLimit === undefined
      ? "no limit to a proxy's memory could be set"
      : `each proxy may use ${memoryLimit / 2 ** 20} MiB of memory, page cache included`;
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}; a synced 4 KiB write takes ${syncP50} µs (p99 ${syncP99}); load before the run ${load}; ${memory}.`,
    ...missing.map((reason) => `Left out: ${reason}.`),
    peers.map(({ name, about }) => `- **${name}**: ${about}`).join("\n"),
    "### Bars",
    table(
      ["figure", "measured", "bar", "aim", "met"],
      bars.map(({ figure, measured, bar, aim, met }) => [figure, measured, bar, aim, met]),
    ),
    ...results.flatMap((result) => [
      `### ${result.scenario.name}`,
      `${capitalised(result.scenario.about)}. Rounds: ${result.scenario.rounds}.`,
      scenarioTable(result),
    ]),
  ].join("\n\n");
}

interface Column {
  readonly title: string;
  readonly metric: Metric;
  /** Peers that the figure is divided by, in columns of their own. */
  readonly over: readonly string[];
  readonly digits: number;
}

const SMALL: readonly Column[] = [
  { title: "CPU µs / exchange", metric: METRICS.cpuPerExchange, over: ["stock"], digits: 0 },
  { title: "exchanges / s", metric: METRICS.exchangesPerSecond, over: ["stock", "direct"], digits: 0 },
  { title: "p50 ms", metric: METRICS.p50, over: ["stock", "direct"], digits: 2 },
  { title: "p99 ms", metric: METRICS.p99, over: ["stock", "direct"], digits: 2 },
  { title: "peak RSS MiB", metric: METRICS.peakRss, over: [], digits: 0 },
];

const STEADY: readonly Column[] = [
  { title: "CPU µs / exchange", metric: METRICS.cpuPerExchange, over: ["bqtape-fsync"], digits: 0 },
  { title: "exchanges / s", metric: METRICS.exchangesPerSecond, over: [], digits: 0 },
  { title: "p50 ms", metric: METRICS.p50, over: ["bqtape-fsync", "direct"], digits: 2 },
  { title: "p99 ms", metric: METRICS.p99, over: ["bqtape-fsync", "direct"], digits: 2 },
  { title: "event to consumer, p50 ms", metric: METRICS.toConsumerP50, over: [], digits: 0 },
  { title: "p99 ms", metric: METRICS.toConsumerP99, over: [], digits: 0 },
  { title: "peak RSS MiB", metric: METRICS.peakRss, over: [], digits: 0 },
];

const BACKLOG: readonly Column[] = [
  { title: "CPU µs / MB", metric: METRICS.cpuPerMegabyte, over: [], digits: 0 },
  { title: "MB / s", metric: METRICS.megabytesPerSecond, over: [], digits: 0 },
  { title: "peak RSS MiB", metric: METRICS.peakRss, over: [], digits: 0 },
  { title: "RSS growth MiB", metric: METRICS.rssGrowth, over: [], digits: 0 },
];

const LARGE: readonly Column[] = [
  { title: "CPU µs / MB", metric: METRICS.cpuPerMegabyte, over: ["stock"], digits: 0 },
  { title: "MB / s", metric: METRICS.megabytesPerSecond, over: ["stock", "direct"], digits: 0 },
  { title: "peak RSS MiB", metric: METRICS.peakRss, over: [], digits: 0 },
  { title: "RSS growth MiB", metric: METRICS.rssGrowth, over: [], digits: 0 },
];

const COLUMNS: Readonly<Record<Part, readonly Column[]>> = {
  kept: SMALL,
  "per-query": SMALL,
  steady: STEADY,
  bodies: LARGE,
  memory: LARGE,
  backlog: BACKLOG,
};

function scenarioTable(result: ScenarioResult): string {
  const columns = COLUMNS[result.scenario.part];
  const titles = columns.flatMap(({ title, over }) => [title, ...over.map((base) => `÷ ${base}`)]);
  const rows = [...result.measured.keys()].map((peer) => {
    const why = obstacle(result, peer);
    if (why !== undefined) return [peer, why.replaceAll("|", "/")];
    const cells = columns.flatMap(({ metric, over, digits }) => [
      show(typical(result, peer, metric), digits),
      ...over.map((base) => (base === peer ? "1" : show(ratio(result, peer, base, metric), 2))),
    ]);
    return [peer, ...cells];
  });
  return table(["peer", ...titles], rows);
}

function show(value: number | undefined, digits: number): string {
  return value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => {
    const filled = [...cells, ...Array.from({ length: head.length - cells.length }, () => "")];
    return `| ${filled.join(" | ")} |`;
  };
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
