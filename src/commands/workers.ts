import cluster, { type Worker } from "node:cluster";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/schema.ts";
import type { SessionUpdate } from "../identity/sessions.ts";
import type { MetricsJson } from "../metrics/exposition.ts";
import { LastingCounts } from "../metrics/lasting-counts.ts";
import type { RecordedEvent } from "../recording/events.ts";
import type { JournalState } from "../recording/journal.ts";
import { NOTHING_DONE, type SessionCount, sum } from "../recording/session-counts.ts";
import { GrowthWatch } from "../recording/watch.ts";
import { furthestRead } from "./journal-readers.ts";
import type { JournalSlot, Relays, RelaysScrape, SessionHooks } from "./relays.ts";
import { answerOf, send } from "./worker-answers.ts";
import { type FromWorker, publish, type ToWorker } from "./worker-messages.ts";
import { LOOK, LOST_AFTER, SILENT_AFTER, WorkerSilence } from "./worker-silence.ts";

/** Milliseconds before a worker that ended by itself is started again: doubled each time it ends young. */
const FIRST_RESTART = 100;
const LAST_RESTART = 5_000;
/** Milliseconds after which a worker is not young any more. */
const YOUTH = 10_000;
/** Milliseconds for workers to take over a configuration: they read keys and certificates, and make certificates. */
const RELOAD_LIMIT = 10_000;
/** Milliseconds for a worker to say what it measures: Prometheus waits ten seconds for all of them together. */
const SCRAPE_LIMIT = 3_000;
/** Milliseconds that workers get to close, beyond the drain, before they are killed. */
const PATIENCE = 10_000;

/**
 * Relays in processes of their own, which share the listener through node:cluster. One that dies is replaced, and its
 * successor takes over its journal: cuts off what is torn and goes on behind it.
 *
 * @throws {ConfigError} with the worker's own words, when one cannot start at first.
 */
export async function startWorkers(
  config: Config,
  log: Logger,
  slots: readonly JournalSlot[],
  hooks: SessionHooks,
): Promise<Relays> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(`./worker-process.${extension}`, import.meta.url)),
    args: [],
  });
  const workers = new Workers(config, log, slots, hooks);
  await workers.started();
  return workers;
}

/** What is known of one worker, and of those that had its place before. */
interface Place {
  readonly slot: JournalSlot;
  worker: Worker;
  state: JournalState | "starting";
  /** Bytes that its journal holds. */
  bytes: number;
  readonly counts: LastingCounts;
  startedAt: number;
  restart: number;
}

class Workers implements Relays {
  readonly #log: Logger;
  readonly #hooks: SessionHooks;
  /** Of the last question that is answered by its number. */
  #asked = 0;
  readonly #places: readonly Place[];
  #config: Config;
  /** What {@link #passOn} waits with. */
  readonly #watches: readonly GrowthWatch[];
  readonly #silence = new WorkerSilence();
  readonly #looking = setInterval(() => this.#lookForSilence(), LOOK).unref();
  #restarts = 0;
  #stopping = false;
  #stopped = false;
  #proxy: AddressInfo | undefined;

  constructor(config: Config, log: Logger, slots: readonly JournalSlot[], hooks: SessionHooks) {
    this.#config = config;
    this.#log = log;
    this.#hooks = hooks;
    this.#places = slots.map((slot) => ({
      slot,
      worker: this.#fork(slot),
      state: "starting",
      bytes: 0,
      counts: new LastingCounts(),
      startedAt: Date.now(),
      restart: FIRST_RESTART,
    }));
    for (const place of this.#places) this.#watch(place, false);
    const { commitRequest, releaseResponse } = config.recording;
    const awaited = [commitRequest, releaseResponse].includes("kafka");
    this.#watches = awaited ? this.#places.map((place) => this.#passOn(place)) : [];
  }

  /** Resolves when every worker takes traffic. */
  async started(): Promise<void> {
    try {
      await Promise.all(
        this.#places.map(async ({ worker }) => {
          const answer = await answerOf(worker, { type: "ready" });
          if (answer.type === "failed") throw new ConfigError(answer.message, { passing: !answer.given });
        }),
      );
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  get proxy(): AddressInfo {
    if (this.#proxy === undefined) throw new Error("no worker has started yet");
    return this.#proxy;
  }

  notReady(): string | undefined {
    const place = this.#places.find((each) => this.#stateOf(each) !== "open");
    return place === undefined ? undefined : `worker ${place.slot.journal}: ${this.#stateOf(place)}`;
  }

  async scrape(): Promise<RelaysScrape> {
    const metrics = this.#places.map((place) => this.#scrapeOne(place));
    const states = this.#places.map((place) => this.#stateOf(place));
    return { metrics: (await Promise.all(metrics)).flat(), states, restarts: this.#restarts };
  }

  /** Of a worker that does not answer, what it said last. */
  async #scrapeOne(place: Place): Promise<readonly MetricsJson[]> {
    const { worker, counts } = place;
    const state = this.#stateOf(place);
    if (state === "starting") return await counts.with([]);
    if (state === "silent") return await counts.asBefore();
    const number = ++this.#asked;
    send(worker, { type: "scrape", number });
    const answer = await answerOf(worker, { type: "scraped", number, limit: SCRAPE_LIMIT });
    if (answer.type === "silent") return await counts.asBefore();
    return await counts.with(answer.type === "scraped" ? answer.metrics : []);
  }

  fill(): number {
    return Math.max(...this.#places.map(({ bytes }) => bytes)) / this.#config.recording.journal.maxBytes;
  }

  trim(journal: string, position: number): void {
    const place = this.#places.find(({ slot }) => slot.journal === journal);
    const isWriting = place !== undefined && place.state !== "starting" && place.state !== "closed";
    if (isWriting) send(place.worker, { type: "trim", position });
  }

  async flush(): Promise<ReadonlyMap<string, number>> {
    const positions = this.#places.map(async ({ slot, worker }): Promise<[string, number]> => {
      send(worker, { type: "flush" });
      const answer = await answerOf(worker, { type: "flushed" });
      return [slot.journal, answer.type === "flushed" ? answer.position : 0];
    });
    return new Map(await Promise.all(positions));
  }

  /** A worker that is away, or does not answer in time, has not refused: it takes this one over when it is back. */
  async reload(config: Config): Promise<void> {
    const before = this.#config;
    // From here on whoever takes another's place begins with it.
    this.#config = config;
    const answers = await Promise.all(this.#places.map((place) => this.#reloadOne(place, config)));
    const refused = answers.find((answer) => answer !== undefined);
    if (refused === undefined) return;
    this.#config = before;
    throw new ConfigError(refused);
  }

  /** Why a worker cannot take over a configuration. */
  async #reloadOne({ worker, slot }: Place, config: Config): Promise<string | undefined> {
    const number = ++this.#asked;
    send(worker, { type: "reload", number, config });
    const answer = await answerOf(worker, { type: "reloaded", number, limit: RELOAD_LIMIT });
    if (answer.type === "silent")
      this.#log.warn({ worker: slot.journal }, "a worker has not taken over the new configuration yet");
    return answer.type === "reloaded" ? answer.refused : undefined;
  }

  applySessions(update: SessionUpdate): void {
    for (const { worker } of this.#places) send(worker, { type: "sessions", update });
  }

  async note(event: RecordedEvent): Promise<void> {
    const place = this.#places.find((each) => this.#stateOf(each) === "open");
    if (place === undefined) throw new Error("no worker can record now");
    const number = ++this.#asked;
    send(place.worker, { type: "note", number, event });
    const answer = await answerOf(place.worker, { type: "noted", number });
    if (answer.type === "failed") throw new Error(answer.message);
    if (answer.type === "noted" && answer.failed !== undefined) throw new Error(answer.failed);
  }

  async count(session: string): Promise<SessionCount> {
    const counts = this.#places.map(async ({ worker, state }) => {
      if (state === "starting") return NOTHING_DONE;
      const number = ++this.#asked;
      send(worker, { type: "count", number, session });
      const answer = await answerOf(worker, { type: "counted", number });
      return answer.type === "counted" ? answer.count : NOTHING_DONE;
    });
    return (await Promise.all(counts)).reduce(sum);
  }

  drain(): Promise<void> {
    return this.#stop({ type: "drain" }, this.#config.proxy.drainTimeout);
  }

  close(): Promise<void> {
    return this.#stop({ type: "close" }, 0);
  }

  async #stop(message: ToWorker, milliseconds: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#looking);
    await this.#stopWorkers(message, milliseconds);
    this.#stopped = true;
    for (const watch of this.#watches) watch.wake();
  }

  async #stopWorkers(message: ToWorker, milliseconds: number): Promise<void> {
    await Promise.all(
      this.#places.map(async ({ worker }) => {
        if (worker.isDead()) return;
        const ended = new Promise((resolve) => worker.once("exit", resolve));
        const timer = setTimeout(() => worker.process.kill("SIGKILL"), milliseconds + PATIENCE);
        send(worker, message);
        await ended;
        clearTimeout(timer);
      }),
    );
  }

  /** Tells a worker, and whoever takes its place, what Kafka has acknowledged; until all workers have ended. */
  #passOn(place: Place): GrowthWatch {
    const watch = new GrowthWatch([place.slot.acknowledged]);
    const tell = async (): Promise<void> => {
      for (let told = -1n; !this.#stopped; ) {
        const seen = watch.look();
        if (seen[0] !== told) send(place.worker, { type: "acknowledged", position: Number(seen[0]) });
        told = seen[0] ?? 0n;
        // One that replaced another has to be told, too: after a second at the latest.
        if (!(await watch.grown(seen))) told = -1n;
      }
    };
    void tell();
    return watch;
  }

  #fork({ journal }: JournalSlot): Worker {
    const worker = cluster.fork();
    const after = furthestRead(this.#config.dataDir).get(journal) ?? 0;
    send(worker, { type: "start", config: this.#config, journal, after });
    // One that takes another's place begins with what is known by then.
    worker.on("message", (message: FromWorker) => {
      if (message.type === "ready") send(worker, { type: "sessions", update: this.#hooks.snapshot() });
      if (message.type === "seen") this.#hooks.seen(message.states);
    });
    return worker;
  }

  /** @param replacement whether it follows one that was taking traffic before. */
  #watch(place: Place, replacement: boolean): void {
    const { worker, slot } = place;
    worker.on("message", (message: FromWorker) => {
      this.#silence.heard(slot.journal);
      if (message.type === "ready") {
        this.#proxy ??= message.proxy;
        place.state = "open";
        this.#silence.started(slot.journal);
        if (replacement) this.#log.info({ worker: slot.journal }, "the worker was replaced");
      } else if (message.type === "journal") {
        place.state = message.state;
        place.bytes = message.bytes;
        publish(slot.end, message.position);
      } else if (message.type === "failed") {
        this.#log.error({ worker: slot.journal }, message.message);
      }
    });
    worker.once("exit", (code, signal) => {
      place.state = "starting";
      place.counts.end();
      if (this.#stopping || this.#proxy === undefined) return;
      place.restart =
        Date.now() - place.startedAt > YOUTH ? FIRST_RESTART : Math.min(place.restart * 2, LAST_RESTART);
      this.#log.error(
        { worker: slot.journal, code, signal, again: place.restart },
        "a worker ended; it is replaced",
      );
      setTimeout(() => this.#replace(place), place.restart);
    });
  }

  #stateOf({ state, slot }: Place): Place["state"] | "silent" {
    return state !== "starting" && this.#silence.isSilent(slot.journal) ? "silent" : state;
  }

  #lookForSilence(): void {
    const started = this.#places.filter(({ state }) => state !== "starting");
    const { silent, lost } = this.#silence.look(started.map(({ slot }) => slot.journal));
    const [quiet, long] = [SILENT_AFTER, LOST_AFTER].map((looks) => (looks * LOOK) / 1_000);
    for (const worker of silent)
      this.#log.error({ worker, seconds: quiet }, "a worker says nothing any more");
    if (lost === undefined) return;
    this.#log.error({ worker: lost, seconds: long }, "a worker that says nothing any more is killed");
    started.find(({ slot }) => slot.journal === lost)?.worker.process.kill("SIGKILL");
  }

  #replace(place: Place): void {
    if (this.#stopping) return;
    this.#restarts += 1;
    place.worker = this.#fork(place.slot);
    place.startedAt = Date.now();
    this.#watch(place, true);
  }
}
