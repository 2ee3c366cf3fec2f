import { Sweep } from "../../../src/archive/retention/sweep.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { tuneGarbageCollection } from "../../../src/commands/garbage-collection.ts";
import { archiveFile } from "../../../src/config/paths.ts";

/** Retires the older half of an archive, as a gateway's archive does between batches. Prints one JSON object. */

export interface Retired {
  readonly seconds: number;
  readonly sessions: number;
  readonly exchanges: number;
  /** Milliseconds that the longest step took: as long nobody else can write. */
  readonly longestStep: number;
  readonly peakBytes: number;
}

tuneGarbageCollection();
const store = new ArchiveStore(archiveFile(process.argv[2] ?? ""));
const times = store.database
  .prepare("SELECT min(started) AS first, max(last_activity) AS last FROM sessions")
  .get();
const now = Date.now();
const age = now - (Number(times?.first) + Number(times?.last)) / 2;
const sweep = new Sweep(store, { retention: { events: age, bodies: age, rules: [] }, now });
const began = performance.now();
let longestStep = 0;
for (;;) {
  const before = performance.now();
  const more = sweep.step();
  longestStep = Math.max(longestStep, performance.now() - before);
  if (!more) break;
}
const seconds = (performance.now() - began) / 1_000;
const sum = (of: "sessions" | "exchanges") => sweep.retired.reduce((total, each) => total + each[of], 0);
const retired: Retired = {
  ...{ seconds, sessions: sum("sessions"), exchanges: sum("exchanges"), longestStep },
  peakBytes: process.resourceUsage().maxRSS * 1024,
};
store.close();
process.stdout.write(JSON.stringify(retired));
