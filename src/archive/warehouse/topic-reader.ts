import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Commit, consume, type Partition, type PlacedRecord } from "../../delivery/kafka/consume.ts";
import type { PartitionOffsets } from "../../delivery/kafka/offsets.ts";
import { RecordError } from "../../delivery/records/errors.ts";
import { readRecord } from "../../delivery/records/read.ts";
import { messageOf } from "../errors.ts";
import { Batch, digestOf, jobIds, NEXT_LABEL } from "./batch.ts";
import type { ToWarehouseOptions } from "./from-kafka.ts";
import { Loader, type RefusedRow } from "./load.ts";
import { type Row, rowOf } from "./rows.ts";
import type { TableName } from "./tables.ts";

/** BigQuery takes 1,500 load jobs a day for a table ("Quotas and limits", Load jobs); some room is left for people's. */
const LOADS_A_DAY = 1_400;
const DAY = 86_400_000;
const LEAST_INTERVAL = 60_000;
/** So large that a day's load jobs are enough for a terabyte of rows. */
const BATCH_BYTES = 2 ** 30;
/** With more rows waiting than so many full batches have, the topic is not read on. */
const WAITING_BATCHES = 2;
const HEARTBEAT = 2_000;

/** As often as a day's load jobs allow, when each partition has jobs of its own; at most once a minute. */
export function defaultInterval(partitions: number): number {
  return Math.max(LEAST_INTERVAL, Math.ceil((DAY * partitions) / LOADS_A_DAY));
}

/** What goes wrong for good is thrown. */
const SILENT = (): void => undefined;

/** Reads the events topic into batches, and loads these one after the other. */
export class TopicReader {
  readonly #options: ToWarehouseOptions;
  readonly #loader: Loader;
  readonly #dataset: string;
  readonly #interval: number;
  readonly #batchBytes: number;
  /** As they were when reading began, by partition. */
  readonly #offsets: ReadonlyMap<number, PartitionOffsets>;
  readonly #over = new AbortController();
  /** Ends when partitions are given out anew. */
  #generation = new AbortController();
  /** What is being loaded now. */
  #loading: Batch | undefined;
  #signal = this.#over.signal;
  /** Batches that are being filled, by partition. */
  #filling = new Map<number, Batch>();
  /** Batches that are full or have waited long enough, in the order of their partitions. */
  #waiting: Batch[] = [];
  /** Up to where each partition was read, by the current assignment. */
  #read = new Map<number, number>();
  /** Up to where each partition's rows are in BigQuery. */
  #loaded = new Map<number, number>();
  #assigned = new Set<number>();
  #commit: Commit = async () => undefined;
  #wake = Promise.withResolvers<void>();
  #failure: unknown;

  constructor(options: ToWarehouseOptions, location: string, offsets: readonly PartitionOffsets[]) {
    this.#options = options;
    const { project, dataset, client, onTrouble, interval, batchBytes } = options;
    const onRefused = (refused: RefusedRow): void => this.#putAside(refused);
    this.#loader = new Loader({ project, dataset, client, location, onTrouble, onRefused });
    this.#dataset = `${project}.${dataset}`;
    this.#offsets = new Map(offsets.map((each) => [each.partition, each]));
    this.#interval = interval ?? defaultInterval(offsets.length);
    this.#batchBytes = batchBytes ?? BATCH_BYTES;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = AbortSignal.any([signal, this.#over.signal]);
    this.#signal.addEventListener("abort", () => this.#wake.resolve(), { once: true });
    const { kafka, group } = this.#options;
    const topics = [kafka.topics.events];
    const loading = this.#loadAll();
    try {
      await consume(
        {
          ...{ kafka, topics, group, fromBeginning: true, log: SILENT },
          onAssigned: (assigned, commit) => {
            this.#begin(assigned, commit);
            this.#endIfDone();
          },
          onRecords: (records, from, heartbeat) => this.#take(records, from, heartbeat),
        },
        this.#signal,
      );
    } finally {
      this.#over.abort();
      await loading;
      this.#drop();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** What was read and is not committed comes again, to this reader or to another. */
  #begin(assigned: readonly Partition[], commit: Commit): void {
    this.#generation.abort();
    this.#generation = new AbortController();
    this.#drop();
    this.#read = new Map();
    this.#assigned = new Set(assigned.map(({ partition }) => partition));
    this.#commit = commit;
  }

  #drop(): void {
    for (const batch of [...this.#filling.values(), ...this.#waiting])
      if (batch !== this.#loading) batch.close();
    this.#filling = new Map();
    this.#waiting = [];
  }

  async #take(
    records: readonly PlacedRecord[],
    from: Partition,
    heartbeat: () => Promise<void>,
  ): Promise<void> {
    try {
      await this.#room(heartbeat);
      // Of a partition that went to another reader meanwhile.
      if (!this.#assigned.has(from.partition)) return;
      let start = 0;
      while (start < records.length && !this.#signal.aborted) start = await this.#fill(records, start, from);
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error);
    }
  }

  /** Puts records into the partition's batch, up to where that has to end; answers how far it came. */
  async #fill(records: readonly PlacedRecord[], start: number, from: Partition): Promise<number> {
    const first = records[start];
    if (first === undefined) return records.length;
    const reading = this.#read;
    let batch = this.#filling.get(from.partition);
    if (batch === undefined) {
      const digest = digestOf(from, first);
      // Whatever this reader itself goes on with, nobody has loaded.
      const end = reading.has(from.partition) ? undefined : await this.#endBefore(digest);
      // Partitions were given out anew meanwhile.
      if (reading !== this.#read) return records.length;
      batch = new Batch(from, first.offset, digest, this.#options.directory, end);
      this.#filling.set(from.partition, batch);
    }
    const { end = Number.POSITIVE_INFINITY } = batch;
    let stop = start;
    while (stop < records.length && (records[stop]?.offset ?? 0) < end) stop += 1;
    const taken = records.slice(start, stop);
    const next = (taken.at(-1)?.offset ?? batch.next - 1) + 1;
    batch.add(
      taken.flatMap((record) => this.#rows(record, from)),
      stop < records.length ? end : next,
    );
    reading.set(from.partition, batch.next);
    if (batch.next >= end || (batch.mayEnd && batch.bytes >= this.#batchBytes)) this.#close(batch);
    this.#endIfDone();
    return stop;
  }

  /** Where the batch ended that began with this record, if some of it was loaded before. */
  async #endBefore(digest: string): Promise<number | undefined> {
    for (const id of jobIds(this.#dataset, digest)) {
      const next = Number((await this.#loader.labelsOf(id, this.#signal))?.text(NEXT_LABEL));
      if (Number.isSafeInteger(next)) return next;
    }
    return undefined;
  }

  /** Another program's record, or one of a newer version, must not stop those behind it. */
  #rows(record: PlacedRecord, { topic, partition }: Partition): { table: TableName; row: Row }[] {
    try {
      const message = readRecord(record);
      const row = message.kind === "event" ? rowOf(message) : undefined;
      return row === undefined ? [] : [row];
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      this.#options.onTrouble(
        `offset ${record.offset} of ${topic}/${partition} is left out: ${error.message}`,
      );
      return [];
    }
  }

  /** Waits while too much is on its way. */
  async #room(heartbeat: () => Promise<void>): Promise<void> {
    while (!this.#signal.aborted && this.#bytes() > WAITING_BATCHES * this.#batchBytes) {
      await delay(HEARTBEAT, undefined, { signal: this.#signal }).catch(SILENT);
      await heartbeat();
    }
  }

  #bytes(): number {
    let bytes = 0;
    for (const batch of this.#filling.values()) bytes += batch.bytes;
    for (const batch of this.#waiting) bytes += batch.bytes;
    return bytes;
  }

  #close(batch: Batch): void {
    this.#filling.delete(batch.partition.partition);
    this.#waiting.push(batch);
    this.#wake.resolve();
  }

  /** Loads one batch after the other, until it is over. */
  async #loadAll(): Promise<void> {
    while (!this.#signal.aborted) {
      const generation = this.#generation.signal;
      const [batch] = this.#waiting;
      try {
        if (batch === undefined) await this.#nextDue();
        else await this.#load(batch, AbortSignal.any([this.#signal, generation]));
      } catch (error) {
        if (!this.#signal.aborted && !generation.aborted) this.#fail(error);
      }
    }
  }

  /** Waits for a batch that is full, or has waited long enough. */
  async #nextDue(): Promise<void> {
    const now = performance.now();
    let left = this.#interval;
    for (const batch of this.#filling.values()) {
      if (!batch.mayEnd) continue;
      left = Math.min(left, batch.since + this.#interval - now);
      if (left <= 0) {
        this.#close(batch);
        return;
      }
    }
    this.#wake = Promise.withResolvers();
    const timer = setTimeout(this.#wake.resolve, Math.min(left, LEAST_INTERVAL));
    await this.#wake.promise;
    clearTimeout(timer);
  }

  async #load(batch: Batch, signal: AbortSignal): Promise<void> {
    this.#loading = batch;
    try {
      for (const load of batch.loads(this.#dataset)) await this.#loader.load(load, signal);
      signal.throwIfAborted();
      this.#waiting.shift();
    } finally {
      this.#loading = undefined;
      batch.close();
    }
    this.#loaded.set(batch.partition.partition, batch.next);
    try {
      await this.#commit([{ ...batch.partition, offset: batch.next }]);
    } catch (error) {
      // Of a group that is being put together anew: whoever reads on from an older offset finds these rows loaded.
      this.#options.onTrouble(
        `offset ${batch.next} of partition ${batch.partition.partition} is not committed: ${messageOf(error)}`,
      );
    }
    this.#endIfDone();
  }

  #putAside({ table, row, reason }: RefusedRow): void {
    const file = join(this.#options.directory, "refused.ndjson");
    const line = JSON.stringify({
      time: new Date().toISOString(),
      table: `${this.#dataset}.${table}`,
      reason,
      row,
    });
    appendFileSync(file, `${line}\n`, { mode: 0o600, flush: true });
    this.#options.onTrouble(
      `BigQuery refuses a row of ${this.#dataset}.${table}, which is kept in ${file}: ${reason}`,
    );
  }

  /** With `once`: what has been read of all is loaded at once, and then it is over. */
  #endIfDone(): void {
    if (!this.#options.once) return;
    const mine = [...this.#offsets.values()].filter(({ partition }) => this.#assigned.has(partition));
    const reached = (known: ReadonlyMap<number, number>): boolean =>
      mine.every(({ partition, next, end }) => Math.max(next, known.get(partition) ?? 0) >= end);
    if (reached(this.#read)) for (const batch of this.#filling.values()) this.#close(batch);
    if (reached(this.#loaded)) this.#over.abort();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#over.abort();
  }
}
