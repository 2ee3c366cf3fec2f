import { readdirSync, readFileSync } from "node:fs";

/** What the kernel has charged to a process and its descendants so far. */
export interface CpuReading {
  /** Nanoseconds on a processor by thread (`pid/tid`), and the thread's name. */
  readonly threads: ReadonlyMap<string, ThreadTime>;
  /** User and system time of whole processes, threads and children that have ended included, in nanoseconds. */
  readonly accounted: number;
}

interface ThreadTime {
  readonly name: string;
  readonly nanoseconds: number;
}

/** Nanoseconds in one tick of /proc/PID/stat: USER_HZ is 100 on every Linux architecture that Node runs on. */
const TICK = 10_000_000;

/**
 * Reads the processor time of a process and its descendants. The scheduler's own sums (`schedstat`) are exact to the
 * nanosecond but go when their thread goes; `stat` counts in ticks and keeps what has ended. Both are read, and
 * {@link cpuBetween} uses the finer one where it is whole.
 */
export function readCpu(root: number): CpuReading {
  const threads = new Map<string, ThreadTime>();
  let accounted = 0;
  for (const pid of processTree(root)) {
    accounted += accountedTime(pid, pid === root);
    for (const tid of listThreads(pid)) {
      const nanoseconds = Number(readProc(`${pid}/task/${tid}/schedstat`).split(" ", 1)[0]);
      const name = readProc(`${pid}/task/${tid}/comm`).trim();
      if (Number.isFinite(nanoseconds)) threads.set(`${pid}/${tid}`, { name, nanoseconds });
    }
  }
  return { threads, accounted };
}

/** Microseconds spent between two readings, all threads. */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
  for (const thread of before.threads.keys()) {
    if (!after.threads.has(thread)) return (after.accounted - before.accounted) / 1000;
  }
  let nanoseconds = 0;
  for (const [thread, time] of after.threads) {
    nanoseconds += time.nanoseconds - (before.threads.get(thread)?.nanoseconds ?? 0);
  }
  return nanoseconds / 1000;
}

/** The same by thread name, most first. */
export function cpuByThread(
  before: CpuReading,
  after: CpuReading,
): (readonly [name: string, micros: number])[] {
  const sums = new Map<string, number>();
  for (const [thread, { name, nanoseconds }] of after.threads) {
    const spent = nanoseconds - (before.threads.get(thread)?.nanoseconds ?? 0);
    sums.set(name, (sums.get(name) ?? 0) + spent / 1000);
  }
  return [...sums].sort(([, a], [, b]) => b - a);
}

/** A process and all that descend from it. */
export function processTree(root: number): number[] {
  const found = [root];
  for (const pid of found) {
    for (const tid of listThreads(pid)) {
      const children = readProc(`${pid}/task/${tid}/children`).trim();
      if (children !== "") found.push(...children.split(" ").map(Number));
    }
  }
  return found;
}

function accountedTime(pid: number, withEndedChildren: boolean): number {
  const stat = readProc(`${pid}/stat`);
  // The second field is the name in parentheses and may hold spaces; what follows it is field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = (field: number): number => Number(fields[field - 3] ?? 0);
  const own = ticks(14) + ticks(15);
  return (withEndedChildren ? own + ticks(16) + ticks(17) : own) * TICK;
}

function listThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** A file of /proc, empty when its process or thread has just ended. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return "";
  }
}
