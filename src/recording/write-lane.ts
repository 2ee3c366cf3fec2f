import type { JournalError } from "./errors.ts";
import type { Appended } from "./frame.ts";
import { type Batch, Outbox } from "./outbox.ts";
import { Pace } from "./pace.ts";
import { SegmentFile } from "./segment-file.ts";
import { Waiters } from "./waiters.ts";

/** What a lane is told of its journal, and tells it. */
export interface LaneJournal {
  /** Whether it is worth trying. */
  works(): boolean;
  /** A write or a sync failed. */
  fail(cause: unknown): void;
}

/** Bytes written by one call at most: a bigger one gains nothing, and what it holds waits for all of it. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** IOV_MAX on Linux; more buffers in one writev fail. */
const MAX_BATCH_BUFFERS = 1024;
/** Records that nobody waits for, such as an exchange's end, are written with the next commit or after this many ms. */
const LINGER = 5;
/**
 * Bytes that are written on this thread, as long as that is quick: the page cache takes 4 KiB in 5 µs and 1 MiB in 180; to
 * have it done by another thread costs 45 µs of both, and who waits for it waits for a processor, too.
 */
const SMALL_WRITE = 1024 * 1024;
/** Milliseconds of a small write that say that the disk is slow now. */
const SLOW_WRITE = 20;
/** After so many turns of the event loop with one commit each, the next one is not expected to get company either. */
const LONE_TURNS = 8;

const DONE = Promise.resolve();

/** Brings a journal's records from memory into its segments, in order, many at a time. */
export class WriteLane {
  readonly #journal: LaneJournal;
  readonly #directory: string;
  readonly #segmentBytes: number;
  /** Tells readers in other threads how far it is written. */
  readonly #published: BigInt64Array<SharedArrayBuffer>;
  readonly #outbox = new Outbox();
  readonly #waiters = new Waiters();
  readonly #pace = new Pace(SLOW_WRITE);
  #segment: SegmentFile;
  #written: number;
  #sealed: number;
  #writing = false;
  #linger: NodeJS.Timeout | undefined;
  /** Ends the turn of the event loop in which somebody asked for a write. */
  #turn: NodeJS.Immediate | undefined;
  #commitsInTurn = 0;
  #loneTurns = 0;

  constructor(
    journal: LaneJournal,
    segment: SegmentFile,
    options: { readonly directory: string; readonly segmentBytes: number; readonly end: SharedArrayBuffer },
  ) {
    this.#journal = journal;
    this.#directory = options.directory;
    this.#segmentBytes = options.segmentBytes;
    this.#published = new BigInt64Array(options.end);
    this.#segment = segment;
    this.#written = this.#sealed = segment.base;
    Atomics.store(this.#published, 0, BigInt(segment.base));
  }

  /** The segment that is written. */
  get segment(): SegmentFile {
    return this.#segment;
  }

  /** The position behind the last record that was appended. */
  get appended(): number {
    return this.#written + this.#outbox.bytes;
  }

  /** The position behind the last one that is written. */
  get written(): number {
    return this.#written;
  }

  /** The position up to which segments are complete, and so on the disk. */
  get sealed(): number {
    return this.#sealed;
  }

  /** Whether another thread is at it. */
  get writing(): boolean {
    return this.#writing;
  }

  append(record: Appended): void {
    this.#outbox.add(record);
    this.#linger ??= setTimeout(() => this.#lingered(), LINGER);
  }

  /** Resolves when all that was appended before is written. */
  whenWritten(): Promise<void> {
    const position = this.appended;
    if (position <= this.#written) return DONE;
    // All of one turn of the event loop is written together: with 8 agents that is one write in place of six.
    this.#commitsInTurn += 1;
    if (this.#turn === undefined) {
      this.#turn = setImmediate(() => this.#endTurn());
      // A single agent would wait for nothing: 4 % of its time.
      if (this.#loneTurns >= LONE_TURNS) this.#writeAtOnce();
      if (position <= this.#written) return DONE;
    }
    return this.#waiters.add(position);
  }

  /** Writes what waits, on this thread as far as that is quick. */
  write(): void {
    if (!this.#journal.works()) return;
    this.#writeAtOnce();
    void this.#writeAll();
  }

  /** Nobody need wait any longer for what was not written. */
  reject(error: JournalError): void {
    this.#waiters.reject(error);
  }

  /** Writes nothing more on its own. */
  stop(): void {
    clearTimeout(this.#linger);
    clearImmediate(this.#turn);
  }

  #endTurn(): void {
    this.#turn = undefined;
    this.#loneTurns = this.#commitsInTurn === 1 ? this.#loneTurns + 1 : 0;
    this.#commitsInTurn = 0;
    this.write();
  }

  /** Not set anew by each write: what was appended since is early at worst, and a timer per exchange costs 1 µs. */
  #lingered(): void {
    this.#linger = undefined;
    this.write();
  }

  /** Writes what waits on this thread, if that is little and will be quick; if not, it still waits. */
  #writeAtOnce(): void {
    const { bytes } = this.#outbox;
    if (bytes === 0 || bytes > SMALL_WRITE) return;
    if (this.#writing || this.#segmentFull || !this.#pace.quick) return;
    if (!this.#segment.takes(this.#written, bytes)) return;
    const batch = this.#outbox.batch(MAX_BATCH_BUFFERS, SMALL_WRITE);
    try {
      this.#pace.call(() => this.#segment.writeSync(batch.buffers, this.#written));
    } catch (cause) {
      this.#journal.fail(cause);
      return;
    }
    this.#wrote(batch);
  }

  /** Writes until nothing waits. */
  async #writeAll(): Promise<void> {
    if (this.#writing || this.#outbox.bytes === 0) return;
    this.#writing = true;
    try {
      while (this.#outbox.bytes > 0 && this.#journal.works()) await this.#writeBatch();
    } catch (cause) {
      this.#journal.fail(cause);
    } finally {
      this.#writing = false;
    }
  }

  async #writeBatch(): Promise<void> {
    if (this.#segmentFull) await this.#roll();
    const batch = this.#outbox.batch(MAX_BATCH_BUFFERS, MAX_BATCH_BYTES);
    await this.#segment.write(batch.buffers, this.#written);
    this.#wrote(batch);
  }

  #wrote(batch: Batch): void {
    this.#outbox.written(batch);
    this.#written += batch.bytes;
    Atomics.store(this.#published, 0, BigInt(this.#written));
    Atomics.notify(this.#published, 0);
    this.#waiters.settle(this.#written);
  }

  get #segmentFull(): boolean {
    return this.#written - this.#segment.base >= this.#segmentBytes;
  }

  async #roll(): Promise<void> {
    const full = this.#segment;
    // What is behind a segment's end is never looked at by a later sync, so it is made safe now.
    await full.seal(this.#written);
    this.#sealed = this.#written;
    this.#segment = await SegmentFile.create(this.#directory, this.#written, this.#segmentBytes);
    await full.close();
  }
}
