import { setImmediate } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";

/*
 * Loaded into the gateway's process beside it: tells what its main thread holds, when all that can be freed is, and ends with
 * the process that asks.
 */

/** Bytes. */
export interface Holding {
  /** JavaScript's heap, and what it holds outside of itself: buffers, and objects of Node's own. */
  readonly reachable: number;
  /** Of the whole process. */
  readonly resident: number;
}

async function measure(): Promise<Holding> {
  /*
   * What is freed lets go of more by its finalizers. As a last resort: any other collection keeps the pages of a young
   * generation that has grown, empty, for the next time; that is up to 130 MiB which nothing holds.
   */
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    await setImmediate();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { reachable: heapUsed + external, resident: rss };
}

if (isMainThread) {
  process.on("message", () => void measure().then((holding) => process.send?.(holding)));
  process.once("disconnect", () => process.exit(1));
  process.channel?.unref();
}
