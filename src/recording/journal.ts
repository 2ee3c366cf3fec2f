import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { Acknowledgements } from "./acknowledgements.ts";
import { JournalError, journalError } from "./errors.ts";
import type { JournalRecord } from "./frame.ts";
import { type Batch, Outbox } from "./outbox.ts";
import { Pace } from "./pace.ts";
import { type Recovery, recover } from "./recovery.ts";
import { SegmentFile, SyncError } from "./segment-file.ts";
import { listSegments } from "./segments.ts";

/** How safe bytes are: `written` survives this process, `fsync` this machine, `kafka` whatever Kafka's replicas survive. */
export type Durability = "written" | "fsync" | "kafka";

export interface JournalOptions {
  readonly directory: string;
  /** Bytes held at most, in all segments; from there on {@link Journal.state} is `full`. */
  readonly maxBytes: number;
  /** A segment is closed when it has grown to this many bytes. Default 64 MiB, or an eighth of `maxBytes` if that is less. */
  readonly segmentBytes?: number;
  /** New records go behind this position, which a reader has already passed. Default 0. */
  readonly after?: number;
  /** Becomes {@link Journal.end}; 8 bytes. Default: a new one. */
  readonly end?: SharedArrayBuffer;
  /** Where delivery tells up to where Kafka has acknowledged the journal; 8 bytes. Default: nobody delivers it. */
  readonly acknowledged?: SharedArrayBuffer;
}

/**
 * - `open`: takes records.
 * - `full`: holds `maxBytes`; takes no new exchange until a reader lets segments go.
 * - `stalled`: the last write failed (no space, say); it is tried again, and nothing that was appended is lost.
 * - `broken`: a sync failed, so what the disk holds is unknown; only a restart, which reads it, can tell.
 * - `closed`: by {@link Journal.close}.
 */
export type JournalState = "open" | "full" | "stalled" | "broken" | "closed";

/** Somebody who waits until all up to a position is as safe as asked. */
interface Waiter {
  readonly position: number;
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

/** Bytes written by one call at most: a bigger one gains nothing, and what it holds waits for all of it. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** IOV_MAX on Linux; more buffers in one writev fail. */
const MAX_BATCH_BUFFERS = 1024;
/** Records that nobody waits for, such as an exchange's end, are written with the next commit or after this many ms. */
const LINGER = 5;
/** Milliseconds between attempts of a write that failed. */
const RETRY = 250;
/**
 * Bytes that are written on this thread, as long as that is quick: the page cache takes 4 KiB in 5 µs and 1 MiB in 180; to
 * have it done by another thread costs 45 µs of both, and who waits for it waits for a processor, too.
 */
const SMALL_WRITE = 1024 * 1024;
/** Milliseconds of a small write, and of a sync, that say that the disk is slow now. */
const SLOW_WRITE = 20;
const SLOW_SYNC = 2;

/** Milliseconds that a sync waits at most for more to share it. */
const MAX_GATHERING = 2;
/** After so many turns of the event loop with one commit each, the next one is not expected to get company either. */
const LONE_TURNS = 8;

const DONE = Promise.resolve();

/**
 * The append-only log that an exchange is recorded in before anything of it moves on: records are appended in memory,
 * then committed in groups. While one group is being synced the next gathers, so under load one sync serves many exchanges.
 * Writing and syncing are two lanes: a response that need only be written never waits for somebody's sync.
 */
export class Journal {
  /** The position up to which bytes are written, for readers in other threads: `[0]` holds it, and is notified of changes. */
  readonly end: SharedArrayBuffer;
  /** What the last run left behind. */
  readonly recovery: Recovery;

  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #published: BigInt64Array<SharedArrayBuffer>;

  #state: JournalState = "open";
  #failure: JournalError | undefined;
  #first: number;
  #appended: number;
  #written: number;
  #synced: number;
  #segment: SegmentFile;
  readonly #outbox = new Outbox();
  /** Both in the order of their positions. */
  #untilWritten: Waiter[] = [];
  #untilSynced: Waiter[] = [];
  readonly #acknowledgements: Acknowledgements;
  #untilRoom: PromiseWithResolvers<void> | undefined;
  #writing = false;
  #syncing = false;
  readonly #writePace = new Pace(SLOW_WRITE);
  readonly #syncPace = new Pace(SLOW_SYNC);
  #linger: NodeJS.Timeout | undefined;
  /** Ends the turn of the event loop in which somebody asked for a write. */
  #turn: NodeJS.Immediate | undefined;
  #commitsInTurn = 0;
  #loneTurns = 0;

  private constructor(options: Required<JournalOptions>, recovery: Recovery, segment: SegmentFile) {
    this.recovery = recovery;
    this.end = options.end;
    this.#published = new BigInt64Array(this.end);
    this.#acknowledgements = new Acknowledgements(options.acknowledged);
    this.#directory = options.directory;
    this.#maxBytes = options.maxBytes;
    this.#segmentBytes = options.segmentBytes;
    this.#segment = segment;
    this.#first = recovery.first ?? segment.base;
    this.#appended = this.#written = this.#synced = segment.base;
    Atomics.store(this.#published, 0, BigInt(this.#written));
  }

  /**
   * Opens the journal of a directory, made when absent: cuts off a torn last frame and begins a new segment.
   *
   * @throws {JournalError} `unusable` when the directory or a file in it cannot be used.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const { directory, maxBytes, after = 0 } = options;
    const { end = new SharedArrayBuffer(8), acknowledged = new SharedArrayBuffer(8) } = options;
    const segmentBytes = options.segmentBytes ?? Math.min(64 * 1024 * 1024, Math.ceil(maxBytes / 8));
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const recovery = await recover(directory);
      const segment = await SegmentFile.create(directory, Math.max(recovery.end, after), segmentBytes);
      const all = { directory, maxBytes, segmentBytes, after, end, acknowledged };
      return new Journal(all, recovery, segment);
    } catch (cause) {
      throw journalError("unusable", `the journal in ${directory} cannot be opened`, cause);
    }
  }

  get state(): JournalState {
    return this.#state === "open" && !this.hasRoom ? "full" : this.#state;
  }

  /** Whether it holds less than `maxBytes`. What is under way may be recorded all the same, and should then pause. */
  get hasRoom(): boolean {
    return this.bytes < this.#maxBytes;
  }

  /**
   * Resolves when readers have let enough go.
   *
   * @throws {JournalError} when the journal takes nothing any more.
   */
  room(): Promise<void> {
    if (this.hasRoom) return DONE;
    if (this.#state === "broken" || this.#state === "closed") return Promise.reject(this.#refusal());
    this.#untilRoom ??= Promise.withResolvers();
    return this.#untilRoom.promise;
  }

  /** Bytes held, written or not. */
  get bytes(): number {
    return this.#appended - this.#first;
  }

  /** The position behind the last record appended. */
  get position(): number {
    return this.#appended;
  }

  /**
   * Appends a record. It is written with the next commit, or a few milliseconds later; until then its bytes must not change.
   * Bounding what is appended and not yet written is the caller's: await a commit.
   *
   * @throws {JournalError} when broken or closed.
   */
  append(record: JournalRecord): void {
    if (this.#state === "broken" || this.#state === "closed") throw this.#refusal();
    this.#outbox.add(record);
    this.#appended = this.#written + this.#outbox.bytes;
    this.#linger ??= setTimeout(() => this.#lingered(), LINGER);
  }

  /**
   * Resolves when all that was appended before is as safe as asked.
   *
   * @throws {JournalError} when it is not, now; what was appended is kept and written as soon as that works again.
   */
  commit(durability: Durability): Promise<void> {
    if (this.#state !== "open") return Promise.reject(this.#refusal());
    if (durability === "fsync") return this.#whenSynced();
    return durability === "written" ? this.#whenWritten() : this.#whenAcknowledged();
  }

  /** Unlinks the segments that end at or before `position`. Never the one that is written. */
  async trim(position: number): Promise<void> {
    const segments = listSegments(this.#directory);
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1];
      if (next === undefined || next.base > position || segment.base === this.#segment.base) break;
      // Another call may be at it, too.
      await rm(segment.path, { force: true });
      this.#first = Math.max(this.#first, next.base);
    }
    if (!this.hasRoom) return;
    this.#untilRoom?.resolve();
    this.#untilRoom = undefined;
  }

  /** Writes and syncs what is left, then closes. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    try {
      if (this.#state !== "broken") {
        await this.commit("fsync");
        await this.#segment.seal(this.#written);
      }
    } finally {
      clearTimeout(this.#linger);
      this.#state = "closed";
      this.#giveUp(this.#refusal());
      await this.#segment.close();
    }
  }

  #whenWritten(): Promise<void> {
    const position = this.#appended;
    if (position <= this.#written) return DONE;
    // All of one turn of the event loop is written together: with 8 agents that is one write in place of six.
    this.#commitsInTurn += 1;
    if (this.#turn === undefined) {
      this.#turn = globalThis.setImmediate(() => this.#endTurn());
      // A single agent would wait for nothing: 4 % of its time.
      if (this.#loneTurns >= LONE_TURNS) this.#writeAtOnce();
      if (position <= this.#written) return DONE;
    }
    return new Promise((resolve, reject) => {
      this.#untilWritten.push({ position, resolve, reject });
    });
  }

  #whenSynced(): Promise<void> {
    const position = this.#appended;
    if (position <= this.#synced) return DONE;
    return new Promise((resolve, reject) => {
      this.#untilSynced.push({ position, resolve, reject });
      void this.#syncAll();
    });
  }

  async #whenAcknowledged(): Promise<void> {
    const position = this.#appended;
    // Who delivers is told of what is written.
    await this.#whenWritten();
    await this.#acknowledgements.reached(position);
  }

  /** Nobody need wait for readers any longer. */
  #giveUp(error: JournalError): void {
    this.#acknowledgements.end(error);
    // Perhaps nobody waits just now.
    this.#untilRoom?.promise.catch(() => undefined);
    this.#untilRoom?.reject(error);
    this.#untilRoom = undefined;
  }

  /** Not set anew by each write: what was appended since is early at worst, and a timer per exchange costs 1 µs. */
  #lingered(): void {
    this.#linger = undefined;
    this.#write();
  }

  #endTurn(): void {
    this.#turn = undefined;
    this.#loneTurns = this.#commitsInTurn === 1 ? this.#loneTurns + 1 : 0;
    this.#commitsInTurn = 0;
    this.#write();
  }

  #write(): void {
    if (this.#state !== "open") return;
    this.#writeAtOnce();
    void this.#writeAll();
  }

  /** Writes what waits on this thread, if that is little and will be quick; if not, it still waits. */
  #writeAtOnce(): void {
    const { bytes } = this.#outbox;
    if (bytes === 0 || bytes > SMALL_WRITE) return;
    if (this.#writing || this.#segmentFull || !this.#writePace.quick) return;
    if (!this.#segment.takes(this.#written, bytes)) return;
    const batch = this.#outbox.batch(MAX_BATCH_BUFFERS, SMALL_WRITE);
    try {
      this.#writePace.call(() => this.#segment.writeSync(batch.buffers, this.#written));
    } catch (cause) {
      this.#fail(cause);
      return;
    }
    this.#wrote(batch);
  }

  /** Writes until nothing waits. */
  async #writeAll(): Promise<void> {
    if (this.#writing || this.#outbox.bytes === 0) return;
    this.#writing = true;
    try {
      while (this.#outbox.bytes > 0 && this.#state === "open") await this.#writeBatch();
    } catch (cause) {
      this.#fail(cause);
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
    settle(this.#untilWritten, this.#written);
  }

  /** Syncs until nobody waits for it. */
  async #syncAll(): Promise<void> {
    if (this.#syncing) return;
    this.#syncing = true;
    try {
      while (this.#untilSynced.length > 0 && this.#state === "open") {
        await this.#gather();
        this.#write();
        if (this.#outbox.bytes > 0) await this.#whenWritten();
        const written = this.#written;
        await this.#sync();
        // A write that is under way goes where the zeros would.
        if (!this.#writing) this.#segment.growBehind(written);
        this.#synced = Math.max(this.#synced, written);
        settle(this.#untilSynced, this.#synced);
      }
    } catch (cause) {
      // Who failed to write has told everybody.
      if (!(cause instanceof JournalError)) this.#fail(cause);
    } finally {
      this.#syncing = false;
    }
  }

  /** Those that come meanwhile share the next sync, whichever thread is at it. */
  async #sync(): Promise<void> {
    if (this.#syncPace.quick) this.#syncPace.call(() => this.#segment.syncSync());
    else await this.#segment.sync();
  }

  /**
   * What comes in the same turn of the event loop shares a sync, and what comes in the next ones as long as each brings more:
   * a sync costs 46 µs of processor time (75 by another thread) however many share it. To wait idly for more would cost more than it saves.
   */
  async #gather(): Promise<void> {
    const until = performance.now() + MAX_GATHERING;
    for (let count = 0; count < this.#untilSynced.length && performance.now() < until; ) {
      count = this.#untilSynced.length;
      await setImmediate();
    }
  }

  get #segmentFull(): boolean {
    return this.#written - this.#segment.base >= this.#segmentBytes;
  }

  async #roll(): Promise<void> {
    const full = this.#segment;
    // What is behind a segment's end is never looked at by a later sync, so it is made safe now.
    await full.seal(this.#written);
    this.#synced = this.#written;
    this.#segment = await SegmentFile.create(this.#directory, this.#written, this.#segmentBytes);
    await full.close();
  }

  #fail(cause: unknown): void {
    const broken = cause instanceof SyncError;
    this.#state = broken ? "broken" : "stalled";
    this.#failure = journalError(broken ? "broken" : "stalled", "recording failed", cause);
    const waiters = [...this.#untilWritten.splice(0), ...this.#untilSynced.splice(0)];
    for (const waiter of waiters) waiter.reject(this.#failure);
    if (broken) this.#giveUp(this.#failure);
    else setTimeout(() => this.#retry(), RETRY);
  }

  #retry(): void {
    if (this.#state !== "stalled") return;
    this.#state = "open";
    void this.#writeAll();
  }

  #refusal(): JournalError {
    if (this.#state === "closed") return journalError("closed", "the journal is closed");
    return this.#failure ?? journalError("stalled", "recording failed");
  }
}

function settle(waiters: Waiter[], position: number): void {
  let count = 0;
  for (const waiter of waiters) {
    if (waiter.position > position) break;
    waiter.resolve();
    count += 1;
  }
  if (count > 0) waiters.splice(0, count);
}
