import { Ingest } from "../../../src/archive/ingest.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { tuneGarbageCollection } from "../../../src/commands/garbage-collection.ts";
import { archiveFile, journalDirectory } from "../../../src/config/paths.ts";

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
const store = new ArchiveStore(archiveFile(dataDir));
const ingest = new Ingest(store, [{ name: "0", directory: journalDirectory(dataDir, "0") }]);

process.on("message", (asked: Asked) => {
  if (asked.type === "end") {
    ingest.close();
    store.close();
    process.disconnect();
    return;
  }
  const before = { clock: performance.now(), cpu: process.cpuUsage() };
  while (ingest.step("0", asked.end));
  store.sync();
  const { user, system } = process.cpuUsage(before.cpu);
  const clock = performance.now() - before.clock;
  const peak = process.resourceUsage().maxRSS * 1024;
  process.send?.({ clock, cpu: (user + system) / 1_000, peak } satisfies Taken);
});
