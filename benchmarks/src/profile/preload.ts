import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";

/*
 * Loaded before the program (`--import`): SIGUSR2 begins a CPU profile of the main thread, the next one writes it. So
 * the profile holds the measured load alone, where `--cpu-prof` would hold start and warm-up too.
 */

/** Microseconds between samples: at 200, taking them costs more than what is looked at. */
const INTERVAL = 1000;

if (isMainThread) {
  const directory = process.env.BENCH_PROFILE_DIRECTORY ?? ".";
  let session: Session | undefined;
  process.on("SIGUSR2", () => void toggle());

  async function toggle(): Promise<void> {
    if (session === undefined) {
      session = new Session();
      session.connect();
      await session.post("Profiler.enable");
      await session.post("Profiler.setSamplingInterval", { interval: INTERVAL });
      await session.post("Profiler.start");
      return;
    }
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    session = undefined;
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "main.cpuprofile"), JSON.stringify(profile));
  }
}
