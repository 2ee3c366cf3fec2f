import { setTimeout as delay } from "node:timers/promises";
import { EventConsumer, LAST_EVENTS, type ToConsumer } from "./load/consumer.ts";
import type { Command, Load, LoadFigures, Report } from "./load/load.ts";
import type { RunningPeer } from "./peers/peer.ts";
import type { Child } from "./processes/children.ts";
import { type CpuReading, cpuBetween, cpuByThread, readCpu } from "./processes/cpu.ts";
import { MemoryWatch } from "./processes/memory.ts";

export interface Figures extends LoadFigures {
  /** Microseconds of processor time of the proxy's processes, all threads; 0 without a proxy. */
  readonly cpu: number;
  /** The same by thread name. */
  readonly cpuByThread: readonly (readonly [name: string, micros: number])[];
  /** Microseconds of generator and upstream together. */
  readonly cpuAround: number;
  /** Bytes resident at most, and by how much that is more than before. */
  readonly peakRss: number;
  readonly rssGrowth: number;
  /** How soon a consumer had the events; only at a steady rate, of peers that deliver them. */
  readonly toConsumer?: ToConsumer;
}

export type Measured =
  | { readonly state: "done"; readonly figures: Figures }
  | { readonly state: "unsupported" | "failed"; readonly reason: string };

/** What besides the peer takes part. */
export interface Around {
  readonly generator: Child;
  readonly upstream: Child;
  /** Where output goes. */
  readonly directory: string;
}

/** Milliseconds for a load besides its own length. */
const SLACK = 60_000;
/** Bytes a second that a body load makes at the least. */
const SLOWEST = 5_000_000;

/** A peer has settled when it used less than this many microseconds in {@link SETTLE_LOOK} milliseconds. */
const SETTLED = 4_000;
const SETTLE_LOOK = 200;
const SETTLE_LIMIT = 60_000;

/** Runs one load through a peer. */
export async function measure(
  load: Load,
  peer: RunningPeer,
  around: Around,
  started?: () => void,
): Promise<Measured> {
  const { generator, upstream, directory } = around;
  const driver = load.kind === "backlog" ? peer.deliverer : generator;
  const target = load.kind === "grpc" ? peer.storage : peer.rest;
  if (driver === undefined) return { state: "unsupported", reason: "no delivery" };
  if (driver === generator && target === undefined) return { state: "unsupported", reason: "no HTTP/2" };
  const limit = SLACK + (load.kind === "exchanges" ? load.milliseconds : (load.bytes / SLOWEST) * 1000);
  driver.send({ command: "prepare", load, target, limit });
  const prepared = await driver.message<Report>(limit + SLACK);
  if (prepared.state !== "prepared") return notDone(prepared);
  const steady = load.kind === "exchanges" && load.rate !== undefined;
  const consumer =
    steady && peer.events !== undefined ? await EventConsumer.start(peer.events, directory) : undefined;

  const read = (): CpuReading[] => [readPeer(peer), readCpu(generator.pid), readCpu(upstream.pid)];
  const memory = peer.pid === undefined ? undefined : new MemoryWatch(peer.pid);
  const before = read();
  started?.();
  consumer?.begin();
  driver.send({ command: "begin" } satisfies Command);
  const report = await driver.message<Report>(limit + SLACK);
  // Work that was put off (an archive behind the journal, garbage) belongs to the load that caused it.
  await settle(peer);
  const after = read();
  const toConsumer = await ended(consumer);
  const { peak, growth } = memory?.end() ?? { peak: 0, growth: 0 };
  if (report.state !== "done") return notDone(report);
  const [cpu = 0, ofGenerator = 0, ofUpstream = 0] = before.map((reading, index) =>
    cpuBetween(reading, after[index] ?? reading),
  );
  return {
    state: "done",
    figures: {
      ...report.figures,
      cpu,
      cpuByThread: before[0] && after[0] ? cpuByThread(before[0], after[0]) : [],
      cpuAround: ofGenerator + ofUpstream,
      peakRss: peak,
      rssGrowth: growth,
      ...(toConsumer !== undefined && { toConsumer }),
    },
  };
}

async function ended(consumer: EventConsumer | undefined): Promise<ToConsumer | undefined> {
  if (consumer === undefined) return undefined;
  try {
    await delay(LAST_EVENTS);
    return await consumer.report();
  } finally {
    await consumer.stop();
  }
}

function notDone(report: Report): Measured {
  if (report.state === "unsupported" || report.state === "failed") return report;
  return { state: "failed", reason: `the generator said ${report.state}` };
}

function readPeer({ pid }: RunningPeer): CpuReading {
  return pid === undefined ? { threads: new Map(), accounted: 0 } : readCpu(pid);
}

async function settle(peer: RunningPeer): Promise<void> {
  const deadline = Date.now() + SETTLE_LIMIT;
  for (let last = readPeer(peer); peer.pid !== undefined && Date.now() < deadline; ) {
    await delay(SETTLE_LOOK);
    const now = readPeer(peer);
    if (cpuBetween(last, now) < SETTLED) return;
    last = now;
  }
}
