import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { KafkaConfig } from "../../config/kafka.ts";
import { Backoff } from "../backoff.ts";
import { partitionOf } from "../partitioner.ts";
import { RecordBatch } from "../record-batch.ts";
import { MAX_BATCH_BYTES, type Sink, type SinkRecord } from "../sink.ts";
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

/** Keys of the marks that a reader looks out for: no session is called so. */
const MARK = "reader/";
const SOURCE = "bqtape";
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
    const backoff = new Backoff();
    const { signal } = this.#end;
    while (!signal.aborted) {
      const began = performance.now();
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        this.#options.log("warn", `what gateways share is not at hand: ${message}`, { err: error });
      }
      if (performance.now() - began > 60_000) backoff.reset();
      await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Reads the topic from its beginning: after a failure again, which changes nothing. */
  #follow(): Promise<void> {
    const { kafka, topic, log } = this.#options;
    return consume(
      {
        kafka,
        topics: [topic],
        group: `bqtape-shared-${randomUUID()}`,
        fromBeginning: true,
        log,
        onRecords: async (records, { partition }) => {
          for (const record of records) this.#received(record, partition);
        },
      },
      this.#end.signal,
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
    const { signal } = this.#end;
    const sink = await createKafkaSink(kafka, log);
    const cut = (): void => void sink.close();
    signal.addEventListener("abort", cut);
    try {
      await sink.connect();
      const partitions = await sink.partitions(topic);
      if (partitions === 0) throw new Error(`topic ${topic} has no partitions yet`);
      if (this.#marked === undefined) await this.#publishMarks(sink, partitions);
      while (!signal.aborted) {
        await this.#sendPending(sink, topic, partitions);
        if (this.#pending.size === 0) await this.#published();
      }
    } finally {
      signal.removeEventListener("abort", cut);
      await sink.close();
    }
  }

  async #publishMarks(sink: Sink, partitions: number): Promise<void> {
    const { topic } = this.#options;
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    for (const partition of all) await this.#produce(sink, topic, [[this.#mark, "{}"]], () => partition);
    this.#marked = all;
    this.#lookRead();
  }

  async #sendPending(sink: Sink, topic: string, partitions: number): Promise<void> {
    const batch = [...this.#pending].slice(0, MAX_BATCH);
    if (batch.length === 0) return;
    for (const [key] of batch) this.#pending.delete(key);
    try {
      await this.#produce(
        sink,
        topic,
        batch.map(([key, { value }]) => [key, value]),
        (key) => partitionOf(key, partitions),
      );
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

  async #produce(
    sink: Sink,
    topic: string,
    values: readonly (readonly [key: string, value: string | undefined])[],
    partition: (key: string) => number,
  ): Promise<void> {
    const partitions = Map.groupBy(values, ([key]) => partition(key));
    await Promise.all(
      [...partitions].map(async ([number, entries]) => {
        const records = entries.map(([key, value]) => this.#record(key, value));
        for (const batch of batches(records)) {
          await sink.sendBatch(topic, number, batch);
          // Only then: a sink that failed may still be reading it.
          batch.release();
        }
      }),
    );
  }

  #record(key: string, value: string | undefined): SinkRecord {
    const time = new Date();
    return {
      key,
      value: value ?? null,
      timestamp: time.getTime(),
      headers: {
        "content-type": "application/json",
        ce_specversion: "1.0",
        ce_id: randomUUID(),
        ce_source: SOURCE,
        ce_type: this.#options.type,
        ce_time: time.toISOString(),
        ce_subject: key,
        ce_partitionkey: key,
      },
    };
  }

  async #published(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#end.signal.aborted || this.#pending.size > 0) resolve();
    });
    this.#wake = undefined;
  }
}

/** Records in as few batches as they fit in, in their order. */
function batches(records: readonly SinkRecord[]): RecordBatch[] {
  let last = new RecordBatch(MAX_BATCH_BYTES);
  const all = [last];
  for (const record of records) {
    if (last.append(record)) continue;
    last = new RecordBatch(MAX_BATCH_BYTES);
    last.append(record);
    all.push(last);
  }
  return all;
}
