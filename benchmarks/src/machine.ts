import { closeSync, constants, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { MEMORY_LIMIT } from "./processes/memory-group.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Microseconds of one 4 KiB write with O_DSYNC, to tell disks apart: median and 99th percentile. */
  readonly syncP50: number;
  readonly syncP99: number;
  /** Average number of runnable threads in the last minute, before the run: 0 on a quiet machine. */
  readonly load: number;
  /** Bytes of memory that each proxy may use, its page cache included; absent: all there is. */
  readonly memoryLimit?: number;
}

/** Writes that are timed. */
const WRITES = 300;

/** @param limited whether each proxy's memory is limited */
export function describeMachine(directory: string, limited: boolean): Machine {
  const [first] = cpus();
  const sync = syncLatencies(directory);
  return {
    cpu: first?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
    syncP50: Math.round(sync[Math.floor(WRITES / 2)] ?? 0),
    syncP99: Math.round(sync[Math.floor(WRITES * 0.99)] ?? 0),
    load: Number(readFileSync("/proc/loadavg", "utf8").split(" ", 1)[0]),
    ...(limited && { memoryLimit: MEMORY_LIMIT }),
  };
}

function syncLatencies(directory: string): number[] {
  const file = join(directory, "sync-latency");
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_DSYNC, 0o600);
  const block = Buffer.alloc(4096, 1);
  const latencies: number[] = [];
  try {
    for (let index = 0; index < WRITES; index += 1) {
      const from = performance.now();
      writeSync(descriptor, block);
      latencies.push((performance.now() - from) * 1000);
    }
    fdatasyncSync(descriptor);
  } finally {
    closeSync(descriptor);
    rmSync(file, { force: true });
  }
  return latencies.sort((a, b) => a - b);
}
