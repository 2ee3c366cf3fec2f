import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { KafkaConfig } from "../../config/kafka.ts";
import { partitionOf } from "../partitioner.ts";
import { RecordBatch } from "../record-batch.ts";
import { EVENT_CONTENT_TYPE, formatTime, HEADER, SPEC_VERSION } from "../records/headers.ts";
import { MAX_BATCH_BYTES, type Sink } from "../sink.ts";
import type { KafkaLog } from "./client.ts";
import { consume, type PlacedRecord } from "./consume.ts";
import { createKafkaSink } from "./open.ts";

export interface SharedLogOptions {
  readonly kafka: KafkaConfig;
  /** A compacted topic. */
  readonly topic: string;
  /** `ce_type` of what is published. */
  readonly type: string;
  readonly reader: {
    /** Told of every value in the order of its partition; of a key that was taken away, `undefined`. */
    onRecord(key: string, value: string | undefined): void;
    /** Told once, when all was read that was there at the start. */
    onRead(): void;
  };
  readonly log: KafkaLog;
}

interface Pending {
  readonly value: string | undefined;
  readonly waiting: readonly (() => void)[];
}

/** Keys of the marks that a reader looks out for: no session is called so, and others than its own it passes over. */
export const MARK = "reader/";
/** What begins the names of the groups in which gateways read: each reads all of it, so each has one of its own. */
export const GROUP_PREFIX = "bqtape-shared-";
const SOURCE = "bqtape";
/** Milliseconds between two tries: a revocation must not wait for long once Kafka is back. */
const AGAIN = 500;
/** Milliseconds in which the operator is told once. */
const TELL_AGAIN = 60_000;
/** The library's own tries end soon, since nothing can end them. */
const RETRY = { retries: 4, initialRetryTime: 100, maxRetryTime: 400 } as const;
/** Records of one send. */
const MAX_BATCH = 500;

/**
 * A compacted topic as a log that gateways share: each reads all of it, and goes on. What is published is kept until a broker
 * has acknowledged it, the newest value of each key; what was there at the start has been read when a mark comes back that was
 * published at the start.
 */
export class SharedLog {
  readonly #options: SharedLogOptions;
  readonly #end = new AbortController();
  readonly #pending = new Map<string, Pending>();
  readonly #mark = MARK + randomUUID();
  /** Partitions that were given a mark; unknown until all were. */
  #marked: readonly number[] | undefined;
  /** Partitions whose mark has come back. */
  readonly #came = new Set<number>();
  #read = false;
  #wake: (() => void) | undefined;
  readonly #running: Promise<unknown>;

  constructor(options: SharedLogOptions) {
    this.#options = options;
    this.#running = Promise.all([this.#again(() => this.#follow()), this.#again(() => this.#send())]);
  }

  publish(key: string, value: string | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = [...(this.#pending.get(key)?.waiting ?? []), resolve];
    this.#pending.set(key, { value, waiting });
    this.#wake?.();
    return promise;
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#wake?.();
    await this.#running;
  }

  /** Tries on and on, until it is closed. */
  async #again(work: () => Promise<void>): Promise<void> {
    const { signal } = this.#end;
    let told = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        const level = performance.now() - told < TELL_AGAIN ? "debug" : "warn";
        if (level === "warn") told = performance.now();
        this.#options.log(level, `what gateways share is not at hand: ${message}`, { err: error });
      }
      await delay(AGAIN, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Reads the topic from its beginning: after a failure again, which changes nothing. */
  #follow(): Promise<void> {
    const { kafka, topic, log } = this.#options;
    const again = new AbortController();
    return consume(
      {
        kafka,
        topics: [topic],
        group: GROUP_PREFIX + randomUUID(),
        fromBeginning: true,
        log,
        retry: RETRY,
        // Of a topic that a broker does not know yet the library takes no partition, and does not look again for minutes.
        onAssigned: (assigned) => {
          if (assigned.length === 0) again.abort();
        },
        onRecords: async (records, { partition }) => {
          for (const record of records) this.#received(record, partition);
        },
      },
      AbortSignal.any([this.#end.signal, again.signal]),
    );
  }

  #received({ key, value }: PlacedRecord, partition: number): void {
    const name = key?.toString() ?? "";
    if (!name.startsWith(MARK)) {
      this.#options.reader.onRecord(name, value?.toString());
      return;
    }
    if (name !== this.#mark || value === null) return;
    this.#came.add(partition);
    this.#lookRead();
  }

  #lookRead(): void {
    if (this.#read || !this.#marked?.every((partition) => this.#came.has(partition))) return;
    this.#read = true;
    void this.publish(this.#mark, undefined);
    this.#options.reader.onRead();
  }

  async #send(): Promise<void> {
    const { kafka, topic, log } = this.#options;
    const sink = await createKafkaSink(kafka, log);
    const cut = (): void => void sink.close();
    this.#end.signal.addEventListener("abort", cut, { once: true });
    try {
      await sink.connect();
      const partitions = await sink.partitions(topic);
      if (partitions === 0) throw new Error(`topic ${topic} has no partitions yet`);
      if (this.#marked === undefined) await this.#publishMarks(sink, partitions);
      while (!this.#end.signal.aborted) {
        await this.#sendPending(sink, partitions);
        if (this.#pending.size === 0) await this.#published();
      }
    } finally {
      this.#end.signal.removeEventListener("abort", cut);
      await sink.close();
    }
  }

  async #publishMarks(sink: Sink, partitions: number): Promise<void> {
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    for (const partition of all) await this.#produce(sink, partition, [[this.#mark, "{}"]]);
    this.#marked = all;
    this.#lookRead();
  }

  async #sendPending(sink: Sink, partitions: number): Promise<void> {
    const byPartition = Map.groupBy([...this.#pending].slice(0, MAX_BATCH), ([key]) =>
      partitionOf(key, partitions),
    );
    for (const [partition, batch] of byPartition) {
      for (const [key] of batch) this.#pending.delete(key);
      try {
        const values = batch.map(([key, { value }]) => [key, value] as const);
        await this.#produce(sink, partition, values);
      } catch (error) {
        for (const [key, { value, waiting }] of batch) {
          const newer = this.#pending.get(key);
          const all = [...waiting, ...(newer?.waiting ?? [])];
          this.#pending.set(key, { value: newer === undefined ? value : newer.value, waiting: all });
        }
        throw error;
      }
      for (const [, { waiting }] of batch) for (const resolve of waiting) resolve();
    }
  }

  /** All of what is sent goes through here. */
  async #produce(
    sink: Sink,
    partition: number,
    values: readonly (readonly [key: string, value: string | undefined])[],
  ): Promise<void> {
    const { type, topic } = this.#options;
    const timestamp = Date.now();
    let batch = new RecordBatch(MAX_BATCH_BYTES);
    for (const [key, value] of values) {
      const headers = {
        [HEADER.contentType]: EVENT_CONTENT_TYPE,
        [HEADER.specVersion]: SPEC_VERSION,
        [HEADER.id]: randomUUID(),
        [HEADER.source]: SOURCE,
        [HEADER.type]: type,
        [HEADER.time]: formatTime(timestamp),
        [HEADER.subject]: key,
        [HEADER.partitionKey]: key,
      };
      const record = { key, value: value ?? null, headers, timestamp };
      if (batch.append(record)) continue;
      await sink.sendBatch(topic, partition, batch);
      batch.release();
      batch = new RecordBatch(MAX_BATCH_BYTES);
      batch.append(record);
    }
    await sink.sendBatch(topic, partition, batch);
    batch.release();
  }

  async #published(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#end.signal.aborted || this.#pending.size > 0) resolve();
    });
    this.#wake = undefined;
  }
}
