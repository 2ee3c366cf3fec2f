import { setTimeout as delay } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { listSegments } from "../recording/segments.ts";
import { GrowthWatch } from "../recording/watch.ts";
import { Backoff } from "./backoff.ts";
import { type DeliveryCheckpoint, readCheckpoint, storeCheckpoint } from "./checkpoint.ts";
import type { KafkaLog } from "./kafka/client.ts";
import { createKafkaSink } from "./kafka/open.ts";
import { prepareTopics, type Topics } from "./kafka/topics.ts";
import type { DeliveryState, FromWorker, LiveJournal, ToWorker, WorkerInput } from "./messages.ts";
import { countInForce } from "./partitioner.ts";
import { Pump } from "./pump.ts";
import { Sender, waitingState } from "./sender.ts";
import { type Sink, SinkError } from "./sink.ts";

/** Bytes of journal in memory at most, over all journals: read ahead, waiting, outstanding. */
const MAX_HELD = 8 * 1024 * 1024;
/** With less room than this nothing is read: many small reads cost more. */
const MIN_ROOM = 512 * 1024;
/** Milliseconds between checkpoints: what is sent again after a crash, against the syncs that they cost the disk. */
const STORE_INTERVAL = 200;

/** Codes of failures that no patience helps against: what is configured has to be changed. */
const REFUSED = new Set(["misconfigured", "topic-unsuitable"]);

/** The thread that delivers: tails the journals of this process into Kafka, apart from the thread that carries traffic. */
class DeliveryWorker {
  readonly #input: WorkerInput;
  readonly #post: (message: FromWorker) => void;
  readonly #watch: GrowthWatch;
  readonly #pumps = new Map<string, Pump>();
  readonly #sender: Sender;
  readonly #troubles = new Map<string, string>();
  #topics: Topics | undefined;
  #closing = false;
  #deadline = Number.POSITIVE_INFINITY;
  #changed = Promise.withResolvers<void>();

  constructor(input: WorkerInput, post: (message: FromWorker) => void) {
    this.#input = input;
    this.#post = post;
    this.#watch = new GrowthWatch(input.journals.map(({ end }) => end));
    this.#sender = new Sender({
      open: (failure) => this.#open(failure),
      onState: (state) => this.#tell(state),
      onChange: () => this.#change(),
    });
  }

  close(timeout: number): void {
    this.#closing = true;
    this.#deadline = performance.now() + timeout;
    setTimeout(() => this.#change(), timeout).unref();
    this.#watch.wake();
    this.#change();
  }

  async run(): Promise<void> {
    this.#topics = await this.#firstTopics();
    if (this.#topics === undefined) return;
    const sending = this.#sender.run();
    const storing = setInterval(() => this.#store(), STORE_INTERVAL);
    try {
      while (await this.#turn());
    } finally {
      clearInterval(storing);
    }
    this.#sender.end();
    await sending;
    this.#storeLast();
  }

  /** One look at all journals; false when the worker is done. */
  async #turn(): Promise<boolean> {
    const seen = this.#watch.look();
    let moved = false;
    for (const [at, journal] of this.#input.journals.entries()) {
      while (this.#step(journal, Number(seen[at]))) moved = true;
    }
    this.#sender.flush();
    if (this.#closing && this.#isOver(moved)) return false;
    if (this.#full || (this.#closing && !moved)) await this.#changed.promise;
    else if (moved || (await this.#watch.grown(seen))) await delay(this.#closing ? 0 : this.#input.linger);
    return true;
  }

  /** Closing does not wait for Kafka to get better: the journal keeps the rest for the next start. */
  #isOver(moved: boolean): boolean {
    const settled = !moved && this.#sender.idle;
    return settled || this.#sender.failing || performance.now() >= this.#deadline;
  }

  #step(journal: LiveJournal, end: number): boolean {
    const { name, directory } = journal;
    const pump = this.#pumpOf(journal);
    if (pump === undefined || this.#full) return false;
    try {
      const moved = pump.step(end, MAX_HELD - this.#held);
      const stuck = !moved && pump.position < end;
      this.#trouble(
        name,
        stuck ? `the journal cannot be read: ${directory} at position ${pump.position}` : undefined,
      );
      return moved;
    } catch (error) {
      this.#trouble(name, `the journal cannot be read: ${messageOf(error)}`);
      return false;
    }
  }

  /** Undefined while the journal has not been opened for the first time: where it begins is not known yet. */
  #pumpOf(journal: LiveJournal): Pump | undefined {
    const known = this.#pumps.get(journal.name);
    const topics = this.#topics;
    if (known !== undefined || topics === undefined) return known;
    const { dataDir, gateway } = this.#input;
    const from = readCheckpoint(dataDir, journal.name);
    if (from === undefined && listSegments(journal.directory).length === 0) return undefined;
    const settled = from?.settled ?? true;
    const partitions = {
      events: countInForce(from?.partitions.events, topics.events.partitions, settled),
      bodies: countInForce(from?.partitions.bodies, topics.bodies.partitions, settled),
    };
    const source = `${gateway}/${journal.name}`;
    const pump = new Pump({ journal, source, topics, partitions, from, sender: this.#sender });
    // What is sent from now on goes by these counts, also when it has to be sent again.
    this.#storeOne(pump, pump.first);
    this.#pumps.set(journal.name, pump);
    return pump;
  }

  /** Tells each trouble once. */
  #trouble(name: string, trouble: string | undefined): void {
    if (trouble === undefined) {
      this.#troubles.delete(name);
      return;
    }
    if (this.#troubles.get(name) === trouble) return;
    this.#troubles.set(name, trouble);
    this.#post({ type: "error", message: trouble });
  }

  get #full(): boolean {
    return MAX_HELD - this.#held < MIN_ROOM;
  }

  get #held(): number {
    let held = 0;
    for (const pump of this.#pumps.values()) held += pump.held;
    return held;
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** The topics as they are when Kafka is first reached; undefined when the worker has to end before that. */
  async #firstTopics(): Promise<Topics | undefined> {
    const { kafka } = this.#input;
    for (const backoff = new Backoff(); !this.#closing; ) {
      try {
        return await prepareTopics(kafka, this.#log);
      } catch (error) {
        if (error instanceof SinkError && REFUSED.has(error.code)) {
          this.#post({ type: "refused", code: error.code, message: error.message });
          return undefined;
        }
        this.#tell(waitingState(error));
        await this.#watch.pause(backoff.next());
      }
    }
    return undefined;
  }

  async #open(failure: unknown): Promise<Sink> {
    const { kafka } = this.#input;
    if (failure instanceof SinkError && failure.code === "topic-missing") await this.#makeTopicsAnew();
    return await createKafkaSink(kafka, this.#log);
  }

  /** A topic was deleted while records were sent to it. */
  async #makeTopicsAnew(): Promise<void> {
    const topics = await prepareTopics(this.#input.kafka, this.#log);
    const fewer = (["events", "bodies"] as const).some(
      (role) => topics[role].partitions < (this.#topics?.[role].partitions ?? 0),
    );
    if (!fewer) return;
    // What waits was addressed by the old count: only a new start, from the checkpoint, can address it anew.
    setImmediate(() => {
      throw new Error("a topic was made anew with fewer partitions");
    });
    await new Promise(() => undefined);
  }

  /** Stores what has been acknowledged since the last time, and marks what has been read since. */
  #store(): void {
    let stored = false;
    for (const pump of this.#pumps.values()) {
      const checkpoint = pump.unstored;
      if (checkpoint !== undefined) stored = this.#storeOne(pump, checkpoint) || stored;
      pump.mark();
    }
    if (stored) this.#postProgress();
    this.#postCounts();
  }

  #storeLast(): void {
    for (const pump of this.#pumps.values()) {
      const checkpoint = pump.last ?? pump.unstored;
      if (checkpoint !== undefined) this.#storeOne(pump, checkpoint);
      pump.close();
    }
    this.#postProgress();
  }

  #storeOne(pump: Pump, checkpoint: DeliveryCheckpoint): boolean {
    try {
      storeCheckpoint(this.#input.dataDir, pump.name, checkpoint);
      pump.stored(checkpoint);
      this.#trouble(`${pump.name}/checkpoint`, undefined);
      return true;
    } catch (error) {
      this.#trouble(`${pump.name}/checkpoint`, `the checkpoint cannot be stored: ${messageOf(error)}`);
      return false;
    }
  }

  #postProgress(): void {
    const progress = [...this.#pumps.values()].map(({ name, trimmable }) => ({ name, trimmable }));
    this.#post({ type: "progress", progress });
  }

  #posted = 0;

  #postCounts(): void {
    const { counts } = this.#sender;
    const posted = counts.batches + counts.failures;
    if (posted === this.#posted) return;
    this.#posted = posted;
    this.#post({ type: "counts", counts });
  }

  #tell(state: DeliveryState): void {
    this.#post({ type: "state", state });
  }

  readonly #log: KafkaLog = (level, message, details) => {
    const texts = Object.entries(details).map(([name, value]): [string, string] => [
      name,
      value instanceof Error ? value.message : String(value),
    ]);
    this.#post({ type: "log", level, message, details: Object.fromEntries(texts) });
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const port = parentPort;
if (port !== null) {
  const worker = new DeliveryWorker(workerData as WorkerInput, (message) => port.postMessage(message));
  port.on("message", (message: ToWorker) => worker.close(message.timeout));
  void worker.run().then(() => {
    port.postMessage({ type: "ended" } satisfies FromWorker);
    port.close();
  });
}
