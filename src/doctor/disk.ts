import { constants, mkdtemp, open, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { count, formatBytes, formatDuration } from "../archive/print/quantities.ts";
import { journalDirectory } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { isSegmentName } from "../recording/segments.ts";
import { type ConfiguredCheck, type Finding, fail, messageOf, ok, warn } from "./check.ts";
import { nearest } from "./nearest.ts";

type Part = "directory" | "space" | "latency" | "filesystem";

/** A commit waits for one such write; milliseconds from which agents notice. */
const SLOW = { p50: 10, p99: 50 } as const;
/** Bytes of a write: a small request with its record. */
const WRITE = 4 * 1024;
/** Writes that are timed, at most for so many milliseconds. */
const WRITES = { count: 200, time: 2_000 } as const;
/** Bytes below which nothing can be recorded for long. */
const NEARLY_FULL = 256 * 1024 * 1024;

/** Kinds by statfs(2)'s `f_type`. */
const KINDS: Readonly<
  Record<number, { readonly name: string; readonly trouble: string; readonly fix: string }>
> = {
  ...kind(
    [0x01021994, 0x858458f6],
    "in memory",
    "what is recorded there is gone with the machine",
    "put dataDir on a disk",
  ),
  ...kind(
    [0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x01021997, 0x00c36400, 0x5346414f],
    "on another machine",
    "its locks and its fsync may not hold, and its pauses hold agents up",
    "put dataDir on a disk of this machine, or a block device",
  ),
  ...kind(
    [0x794c7630],
    "a container's own layer",
    "what is recorded there is gone with the container",
    "mount a volume at dataDir",
  ),
};

function kind(types: readonly number[], name: string, trouble: string, fix: string) {
  return Object.fromEntries(types.map((type) => [type, { name, trouble, fix }]));
}

/** Where recordings go first. */
export const diskCheck: ConfiguredCheck<Part> = {
  name: "disk",
  needs: "configuration",
  parts: ["directory", "space", "latency", "filesystem"],
  limit: 20_000,
  async *run({ config }, signal) {
    const { dataDir } = config;
    const there = await nearest(dataDir);
    yield* filesystem(dataDir, there);
    yield await space(config, there);
    let times: number[];
    try {
      times = await timeWrites(there, signal);
    } catch (error) {
      const what = there === dataDir ? dataDir : `${dataDir} is not there yet, and ${there}`;
      const fix = `let the gateway's user write there: chown it, or name another directory in dataDir`;
      yield fail("directory", `${what} cannot be written: ${messageOf(error)}`, fix);
      return;
    }
    yield ok(
      "directory",
      there === dataDir ? `${dataDir} can be written` : `${dataDir} is made at the first start`,
    );
    yield latency(times);
  },
};

async function* filesystem(dataDir: string, there: string): AsyncGenerator<Finding<Part>> {
  // The numbers are Linux's.
  if (process.platform !== "linux") return;
  const known = KINDS[(await statfs(there)).type];
  yield known === undefined
    ? ok("filesystem", "a disk of this machine")
    : warn("filesystem", `dataDir ${dataDir} is ${known.name}: ${known.trouble}`, known.fix);
}

async function space({ dataDir, recording, proxy }: Config, there: string): Promise<Finding<Part>> {
  const { bavail, bsize } = await statfs(there);
  const free = bavail * bsize;
  const most = recording.journal.maxBytes * proxy.workers;
  const used = await journalBytes(dataDir, proxy.workers);
  const [left, may] = [formatBytes(free), formatBytes(Math.max(0, most - used))];
  const fix =
    "make room, or lower recording.journal.maxBytes: when the disk is full before the journal is, traffic stops without a warning before it";
  if (free < NEARLY_FULL) return fail("space", `${left} are free at ${there}`, fix);
  const journals = proxy.workers === 1 ? "the journal" : `${proxy.workers} journals`;
  return free < most - used
    ? warn("space", `${left} are free at ${there}, and ${journals} may still grow by ${may}`, fix)
    : ok("space", `${left} are free; ${journals} may still grow by ${may}`);
}

/** Bytes that the journals have now. */
async function journalBytes(dataDir: string, workers: number): Promise<number> {
  let bytes = 0;
  for (let number = 0; number < workers; number += 1) {
    const directory = journalDirectory(dataDir, String(number));
    const names = await readdir(directory).catch(() => []);
    for (const name of names.filter(isSegmentName)) bytes += await bytesOnDisk(join(directory, name));
  }
  return bytes;
}

async function bytesOnDisk(path: string): Promise<number> {
  // It may be unlinked meanwhile.
  return await stat(path).then(
    ({ blocks }) => blocks * 512,
    () => 0,
  );
}

/** Milliseconds of small writes as the journal's are, each durable before the next. Leaves nothing behind. */
async function timeWrites(within: string, signal: AbortSignal): Promise<number[]> {
  const directory = await mkdtemp(join(within, ".doctor-"));
  try {
    // Where there is no O_DSYNC the journal syncs by itself.
    const dsync = (constants as { O_DSYNC?: number }).O_DSYNC;
    const flags = constants.O_CREAT | constants.O_WRONLY | (dsync ?? 0);
    await using file = await open(join(directory, "writes"), flags, 0o600);
    const bytes = Buffer.alloc(WRITE, "bqtape");
    const times: number[] = [];
    const until = performance.now() + WRITES.time;
    while (
      times.length < WRITES.count &&
      (times.length === 0 || performance.now() < until) &&
      !signal.aborted
    ) {
      const began = performance.now();
      await file.write(bytes);
      if (dsync === undefined) await file.datasync();
      times.push(performance.now() - began);
    }
    return times;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function latency(times: readonly number[]): Finding<Part> {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  const [p50, p99] = [at(0.5), at(0.99)];
  const said = `a durable write takes ${formatDuration(p50)} (p50), ${formatDuration(p99)} (p99), of ${count(times.length, "write")}`;
  return p50 > SLOW.p50 || p99 > SLOW.p99
    ? warn("latency", `${said}: each request waits for one`, FASTER)
    : ok("latency", said);
}

const FASTER =
  "put dataDir on a faster disk (one with a battery or capacitors, or an NVMe), or let requests wait for less with recording.commitRequest: written, which survives the process alone";
