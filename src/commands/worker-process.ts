import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import type { SessionState } from "../identity/session-state.ts";
import { openLog } from "../logging/open-log.ts";
import type { RecordedEvent } from "../recording/events.ts";
import { NOTHING_DONE } from "../recording/session-counts.ts";
import { isGiven } from "./failure.ts";
import { tuneGarbageCollection } from "./garbage-collection.ts";
import { type Relay, startRelay } from "./relay.ts";
import { type FromWorker, publish, type ToWorker } from "./worker-messages.ts";
import { LOOK } from "./worker-silence.ts";

/*
 * A worker of a gateway: one relay in a process of its own, led by messages. Signals of a terminal reach it too, but its
 * first process decides what they mean.
 */

/** Milliseconds between two looks at how far the journal is: what readers in the first process wait for at most. */
const TELL_INTERVAL = 10;

tuneGarbageCollection();
const end = new SharedArrayBuffer(8);
const acknowledged = new SharedArrayBuffer(8);
const written = new BigInt64Array(end);
let log: Logger | undefined;
let relay: Relay | undefined;
const started = Promise.withResolvers<Relay>();

function tell(message: FromWorker): void {
  // That nobody listens any more is told by the channel's end; an error without somebody to take it would end the process first.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

let told = "";
function tellJournal(): void {
  if (relay === undefined) return;
  const position = Number(Atomics.load(written, 0));
  const { state, bytes } = relay.journal;
  if (told === `${position} ${state} ${bytes}`) return;
  told = `${position} ${state} ${bytes}`;
  tell({ type: "journal", position, state, bytes });
}

function tellSeen(states: readonly SessionState[]): void {
  tell({ type: "seen", states });
}

async function lead(message: ToWorker): Promise<void> {
  if (message.type === "start") {
    const { config, journal, after } = message;
    const shared = { end, acknowledged, onSeen: tellSeen };
    log = openLog({ level: config.log.level, worker: journal, shared: true });
    relay = await startRelay(config, log, { journal, after, ...shared });
    started.resolve(relay);
    setInterval(tellJournal, TELL_INTERVAL).unref();
    setInterval(() => tell({ type: "alive" }), LOOK).unref();
    tell({ type: "ready", proxy: relay.proxy });
    return;
  }
  switch (message.type) {
    case "sessions":
      return relay?.sessions.apply(message.update);
    case "note":
      return await note(message.number, message.event);
    case "count": {
      const count = relay?.count(message.session) ?? NOTHING_DONE;
      return tell({ type: "counted", number: message.number, count });
    }
    case "scrape":
      return tell({
        type: "scraped",
        number: message.number,
        metrics: (await relay?.meter.scrape()) ?? [],
      });
    case "trim":
      return await relay?.journal.trim(message.position);
    case "acknowledged":
      return publish(acknowledged, message.position);
    case "flush":
      await relay?.journal.commit("written");
      tellJournal();
      return tell({ type: "flushed", position: relay?.journal.position ?? 0 });
    case "reload":
      return await reload(message.number, message.config);
    case "drain":
      await relay?.drain();
      return leave();
    case "close":
      await relay?.close();
      return leave();
  }
}

async function note(number: number, event: RecordedEvent): Promise<void> {
  try {
    if (relay === undefined) throw new Error("the worker has not started yet");
    await relay.note(event);
    tell({ type: "noted", number });
  } catch (error) {
    tell({ type: "noted", number, failed: error instanceof Error ? error.message : String(error) });
  }
}

async function reload(number: number, config: Config): Promise<void> {
  try {
    // One that is still starting has begun with the configuration before this one.
    await (await started.promise).reload(config);
    if (log !== undefined) log.level = config.log.level;
    tell({ type: "reloaded", number });
  } catch (error) {
    tell({ type: "reloaded", number, refused: error instanceof Error ? error.message : String(error) });
  }
}

function leave(): void {
  tellJournal();
  process.disconnect();
  process.exitCode = 0;
}

process.on("message", (message: ToWorker) => {
  lead(message).catch((error: unknown) => {
    log?.error({ err: error }, "a worker cannot go on");
    const message = error instanceof Error ? error.message : String(error);
    tell({ type: "failed", message, given: isGiven(error) });
    process.exitCode = 1;
    process.disconnect();
  });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
// Without its first process nobody archives, trims or stops it: it closes, so that nothing is half-done.
process.once("disconnect", () => {
  void relay?.close().finally(() => process.exit());
});
