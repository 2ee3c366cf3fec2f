import { startArchive } from "../../../src/archive/archive.ts";
import { tuneGarbageCollection } from "../../../src/commands/garbage-collection.ts";
import { journalDirectory } from "../../../src/config/paths.ts";

/** What is asked of it: to take a journal in up to a position; or to end. */
export type Asked = { readonly type: "take"; readonly end: number } | { readonly type: "end" };

/** What it took: milliseconds on the clock, and of processor time of all threads. */
export interface Taken {
  readonly clock: number;
  readonly cpu: number;
  /** Bytes that were resident at most. */
  readonly peak: number;
}

// As a gateway's process does, before its threads begin.
tuneGarbageCollection();
const dataDir = process.argv[2] ?? "";
const written = new BigInt64Array(new SharedArrayBuffer(8));
const archive = await startArchive({
  dataDir,
  journals: [{ name: "0", directory: journalDirectory(dataDir, "0"), end: written.buffer }],
  onError(error) {
    throw error;
  },
});

async function take(end: number): Promise<void> {
  const before = { clock: performance.now(), cpu: process.cpuUsage() };
  Atomics.store(written, 0, BigInt(end));
  Atomics.notify(written, 0);
  await archive.caughtUp("0", end);
  const { user, system } = process.cpuUsage(before.cpu);
  const clock = performance.now() - before.clock;
  const peak = process.resourceUsage().maxRSS * 1024;
  process.send?.({ clock, cpu: (user + system) / 1_000, peak } satisfies Taken);
}

process.on("message", async (asked: Asked) => {
  if (asked.type === "take") return await take(asked.end);
  await archive.close();
  process.disconnect();
});
