import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { KafkaConfig } from "../config/kafka.ts";
import { GrowthWatch } from "../recording/watch.ts";
import { gatewayName } from "./checkpoint.ts";
import type { KafkaLog } from "./kafka/client.ts";
import type {
  DeliveryCounts,
  DeliveryState,
  FromWorker,
  LiveJournal,
  Progress,
  ToWorker,
  WorkerInput,
} from "./messages.ts";
import { waitingState } from "./sender.ts";
import { SinkError } from "./sink.ts";

export type { DeliveryState, LiveJournal, Progress } from "./messages.ts";

export interface DeliveryOptions {
  readonly dataDir: string;
  readonly kafka: KafkaConfig;
  readonly journals: readonly LiveJournal[];
  /** Milliseconds that records gather at most before they are sent. Default: 50. */
  readonly linger?: number;
  /** Told of each change of the state, and of each new reason to wait. */
  readonly onState?: (state: DeliveryState) => void;
  /** Told of what fails on this side: a journal that cannot be read, a worker that crashed. It is tried again. */
  readonly onError: (message: string) => void;
  /** Told when more of a journal may be unlinked. */
  readonly onProgress?: (progress: Progress) => void;
  /** What Kafka's client has to say. */
  readonly log?: KafkaLog;
  /** Milliseconds that {@link Delivery.close} gives the worker to reach the journals' ends. Default: 10 000. */
  readonly closeTimeout?: number;
}

/** Milliseconds that the start waits to hear of Kafka; it goes on without, since the journal keeps what is recorded. */
const START_PATIENCE = 5_000;

/**
 * Starts delivery: a worker thread that tails the journals of this process into Kafka's topics. It never holds up traffic;
 * what Kafka does not take now stays in the journal. Resolves when Kafka was reached, or is known to be away.
 *
 * @throws {SinkError} when Kafka, as it is configured, would lose or refuse records.
 */
export async function startDelivery(options: DeliveryOptions): Promise<Delivery> {
  const delivery = new Delivery(options);
  await delivery.started;
  return delivery;
}

/** Milliseconds before a worker that ended by itself is started again, at first and at most. */
const FIRST_RESTART = 100;
const LAST_RESTART = 5_000;
/** Milliseconds beyond its own time that a worker gets to close. */
const GRACE = 2_000;

const NOTHING_SENT: DeliveryCounts = { batches: 0, records: 0, bytes: 0, failures: 0 };

/** The delivery of a running gateway. */
export class Delivery {
  /** Settles when something is known of Kafka, or nothing for too long. */
  readonly started: Promise<void>;
  readonly #options: DeliveryOptions;
  readonly #gateway: string;
  readonly #started = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #worker: Worker | undefined;
  #state: DeliveryState = { type: "starting" };
  /** Whether somebody can still be told that this cannot be started. */
  #starting = true;
  #closing = false;
  #restart = FIRST_RESTART;
  #counts: DeliveryCounts = NOTHING_SENT;
  /** Of workers that have ended. */
  #countsBefore: DeliveryCounts = NOTHING_SENT;

  /** Use {@link startDelivery}. */
  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#gateway = gatewayName(options.dataDir);
    const late = setTimeout(() => this.#hasStarted(), START_PATIENCE);
    this.started = this.#started.promise.finally(() => clearTimeout(late));
    this.#run();
  }

  get state(): DeliveryState {
    return this.#state;
  }

  /** What was done since the start; as of the last moment. */
  get counts(): DeliveryCounts {
    const [before, now] = [this.#countsBefore, this.#counts];
    return {
      batches: before.batches + now.batches,
      records: before.records + now.records,
      bytes: before.bytes + now.bytes,
      failures: before.failures + now.failures,
    };
  }

  /** Up to where Kafka has acknowledged a journal. */
  acknowledged(name: string): number {
    const journal = this.#options.journals.find((each) => each.name === name);
    return journal === undefined ? 0 : Number(Atomics.load(new BigInt64Array(journal.acknowledged), 0));
  }

  /** Resolves when Kafka has acknowledged a journal up to a position. */
  async delivered(name: string, position: number): Promise<void> {
    const journal = this.#options.journals.find((each) => each.name === name);
    if (journal === undefined) return;
    const watch = new GrowthWatch([journal.acknowledged]);
    for (let seen = watch.look(); Number(seen[0]) < position; seen = watch.look()) await watch.grown(seen);
  }

  /** Sends what the journals hold, as long as that does not fail, then ends the worker. */
  async close(): Promise<void> {
    const { closeTimeout = 10_000 } = this.#options;
    if (!this.#closing) {
      this.#closing = true;
      if (this.#worker === undefined) this.#ended.resolve();
      this.#worker?.postMessage({ type: "close", timeout: closeTimeout } satisfies ToWorker);
    }
    const timer = setTimeout(() => void this.#worker?.terminate(), closeTimeout + GRACE);
    await this.#ended.promise;
    clearTimeout(timer);
    this.#changeState({ type: "closed" });
  }

  #hasStarted(): void {
    this.#starting = false;
    this.#started.resolve();
  }

  #run(): void {
    const { dataDir, kafka, journals, linger = 50 } = this.#options;
    // Run as .ts in the tree and as .js when compiled: the worker's file has this one's kind.
    const kind = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const workerData: WorkerInput = { dataDir, gateway: this.#gateway, kafka, journals, linger };
    const worker = new Worker(new URL(`./worker.${kind}`, import.meta.url), { workerData, name: "delivery" });
    this.#worker = worker;
    worker.on("message", (message: FromWorker) => this.#heard(message, worker));
    worker.on("error", (error) => {
      this.#options.onError(
        `delivery's worker crashed: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    worker.on("exit", () => {
      this.#worker = undefined;
      this.#countsBefore = this.counts;
      this.#counts = NOTHING_SENT;
      if (this.#closing) this.#ended.resolve();
      else void this.#runAgain();
    });
  }

  #heard(message: FromWorker, worker: Worker): void {
    switch (message.type) {
      case "state":
        if (message.state.type === "delivering") this.#restart = FIRST_RESTART;
        this.#changeState(message.state);
        this.#hasStarted();
        return;
      case "progress":
        for (const progress of message.progress) this.#options.onProgress?.(progress);
        return;
      case "counts":
        this.#counts = message.counts;
        return;
      case "refused":
        this.#refused(new SinkError(message.code, message.message));
        return;
      case "ended":
        // Something of a client may still hold the thread.
        void worker.terminate();
        return;
      case "error":
        this.#options.onError(message.message);
        return;
      case "log":
        this.#options.log?.(message.level, message.message, message.details);
    }
  }

  #refused(error: SinkError): void {
    if (!this.#starting) {
      // It is started again, until what is refused has been mended.
      this.#changeState(waitingState(error));
      return;
    }
    this.#closing = true;
    this.#started.reject(error);
  }

  #changeState(state: DeliveryState): void {
    const before = this.#state;
    this.#state = state;
    const same = before.type === state.type && (state.type !== "waiting" || reasonOf(before) === state.code);
    if (!same) this.#options.onState?.(state);
  }

  async #runAgain(): Promise<void> {
    const pause = this.#restart;
    this.#restart = Math.min(pause * 2, LAST_RESTART);
    await delay(pause, undefined, { ref: false });
    if (!this.#closing) this.#run();
  }
}

function reasonOf(state: DeliveryState): string | undefined {
  return state.type === "waiting" ? state.code : undefined;
}
