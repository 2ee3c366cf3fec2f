import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { BroadcastChannel, isMainThread, threadId, threadName } from "node:worker_threads";

/*
 * Loaded before the program (`--import`), and so into each of its threads: SIGUSR2 begins a CPU profile of every thread, the
 * next one writes them, by the threads' names. So a profile holds the measured load alone, where `--cpu-prof` would hold
 * start and warm-up too.
 */

/** Microseconds between samples: at 200, taking them costs more than what is looked at. */
const INTERVAL = 1000;

const directory = process.env.BENCH_PROFILE_DIRECTORY ?? ".";
let session: Session | undefined;

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
  const name = isMainThread ? "main" : threadName === "" ? `thread-${threadId}` : threadName;
  writeFileSync(join(directory, `${name}.cpuprofile`), JSON.stringify(profile));
}

// Signals come to the main thread alone.
const channel = new BroadcastChannel("bench-profile");
channel.unref();
if (isMainThread) {
  process.on("SIGUSR2", () => {
    channel.postMessage(null);
    void toggle();
  });
} else {
  channel.onmessage = () => void toggle();
}
