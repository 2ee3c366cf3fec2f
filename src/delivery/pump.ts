import { JournalReader } from "../recording/reader.ts";
import { listSegments } from "../recording/segments.ts";
import type { DeliveryCheckpoint, PartitionCounts } from "./checkpoint.ts";
import type { Topics } from "./kafka/topics.ts";
import type { LiveJournal } from "./messages.ts";
import { partitionOf } from "./partitioner.ts";
import { startingAt, TopicWriter, type WriterCheckpoint } from "./records/writer.ts";
import type { Receipt, Sender } from "./sender.ts";

export interface PumpOptions {
  readonly journal: LiveJournal;
  /** `ce_source`. */
  readonly source: string;
  readonly topics: Topics;
  readonly partitions: PartitionCounts;
  readonly from: DeliveryCheckpoint | undefined;
  readonly sender: Sender;
}

/**
 * Bytes of journal read at a time at most: what is made of them is garbage before the next ones are read. Of less, more is read
 * twice, as a read ends within a chunk: with 256 KiB it costs a tenth more to deliver large bodies.
 */
const READ_BYTES = 1024 * 1024;
/** Bytes that are read into: of a body's frame that begins at the end of these, too. */
const READ_MEMORY = READ_BYTES + 512 * 1024;
/**
 * Bytes of journal between two marks, besides one read. A mark at the window's end alone is good only once the whole window
 * is acknowledged, and a worker that crashes before that would send all of it again, each time.
 */
const MARK_BYTES = 1024 * 1024;

/** Moves one journal's records to the sender, in order, and knows up to where they are acknowledged. */
export class Pump {
  readonly name: string;
  readonly #options: PumpOptions;
  readonly #writer: TopicWriter;
  readonly #acknowledged: BigInt64Array<SharedArrayBuffer>;
  readonly #memory = Buffer.allocUnsafeSlow(READ_MEMORY);
  #reader: JournalReader;
  /** In the order of the journal. */
  readonly #parts: Part[] = [];
  #held = 0;
  #markedAt = -1;
  #marked: WriterCheckpoint | undefined;
  #trimmable = 0;

  constructor(options: PumpOptions) {
    this.#options = options;
    const { journal, source, from } = options;
    this.name = journal.name;
    const writer = from?.writer ?? startingAt(listSegments(journal.directory)[0]?.base ?? 0);
    this.#writer = new TopicWriter({ source, from: writer });
    this.#reader = this.#newReader();
    this.#acknowledged = new BigInt64Array(journal.acknowledged);
    this.#publish(writer.position);
  }

  /** Up to where it has read. */
  get position(): number {
    return this.#reader.position;
  }

  /** Bytes of journal that are in memory: read, and not acknowledged. */
  get held(): number {
    return this.#held;
  }

  /**
   * Hands on what comes next.
   *
   * @param end up to where the journal is written: behind it a growing file has megabytes of zeros.
   * @param room bytes that may be read now.
   * @returns whether there was something.
   * @throws when the journal cannot be read; the next call tries again.
   */
  step(end: number, room: number): boolean {
    const want = Math.min(READ_BYTES, room, end - this.position);
    if (want <= 0) return false;
    const batch = this.#read(want);
    if (batch.records.length === 0 && batch.gaps.length === 0) return false;
    const { topics, partitions, sender } = this.#options;
    const records = this.#writer.write(batch);
    const bytes = batch.records.reduce((sum, { at, next }) => sum + next - at, 0);
    const part = new Part(batch.next, bytes, records.length, () => this.#advance());
    this.#parts.push(part);
    this.#held += bytes;
    if (this.position - this.#markedAt >= MARK_BYTES) this.mark();
    for (const record of records) {
      const { name, maxBatchBytes } = topics[record.topic];
      sender.add(name, partitionOf(record.key, partitions[record.topic]), maxBatchBytes, record, part);
    }
    if (records.length === 0) this.#advance();
    return true;
  }

  /** Remembers what is needed to go on from here; it may be stored when all up to here is acknowledged. */
  mark(): void {
    if (this.#markedAt === this.position) return;
    this.#markedAt = this.position;
    const checkpoint = this.#writer.checkpoint();
    const last = this.#parts.at(-1);
    if (last === undefined) this.#marked = checkpoint;
    else last.mark = checkpoint;
  }

  /** What may be stored now, until {@link stored}; undefined when there is nothing new. */
  get unstored(): DeliveryCheckpoint | undefined {
    return this.#marked && this.#checkpoint(this.#marked, false);
  }

  /** What to store before anything is sent. */
  get first(): DeliveryCheckpoint {
    return this.#checkpoint(this.#writer.checkpoint(), false);
  }

  /** What to store when nothing is sent any more; undefined when something is not acknowledged. */
  get last(): DeliveryCheckpoint | undefined {
    return this.#parts.length > 0 ? undefined : this.#checkpoint(this.#writer.checkpoint(), true);
  }

  /** A checkpoint is on the disk. */
  stored({ writer }: DeliveryCheckpoint): void {
    if (this.#marked === writer) this.#marked = undefined;
    this.#trimmable = writer.resume;
  }

  /** Up to where the journal may be unlinked. */
  get trimmable(): number {
    return this.#trimmable;
  }

  close(): void {
    this.#reader.close();
  }

  #read(bytes: number) {
    try {
      return this.#reader.read(bytes);
    } catch (error) {
      this.#reader.close();
      this.#reader = this.#newReader();
      throw error;
    }
  }

  #newReader(): JournalReader {
    return new JournalReader(this.#options.journal.directory, this.#writer.position, this.#memory);
  }

  #checkpoint(writer: WriterCheckpoint, settled: boolean): DeliveryCheckpoint {
    return { version: 1, partitions: this.#options.partitions, settled, writer };
  }

  #advance(): void {
    let end: number | undefined;
    for (let first = this.#parts[0]; first !== undefined && first.left === 0; first = this.#parts[0]) {
      this.#parts.shift();
      this.#held -= first.bytes;
      this.#marked = first.mark ?? this.#marked;
      end = first.end;
    }
    if (end !== undefined) this.#publish(end);
  }

  /** Never backwards: what was acknowledged before a restart stays so. */
  #publish(position: number): void {
    if (BigInt(position) <= Atomics.load(this.#acknowledged, 0)) return;
    Atomics.store(this.#acknowledged, 0, BigInt(position));
    Atomics.notify(this.#acknowledged, 0);
  }
}

/** A piece of the journal that is under way. */
class Part implements Receipt {
  readonly end: number;
  readonly bytes: number;
  left: number;
  mark: WriterCheckpoint | undefined;
  readonly #done: () => void;

  constructor(end: number, bytes: number, records: number, done: () => void) {
    this.end = end;
    this.bytes = bytes;
    this.left = records;
    this.#done = done;
  }

  acknowledge(records: number): void {
    this.left -= records;
    if (this.left === 0) this.#done();
  }
}
