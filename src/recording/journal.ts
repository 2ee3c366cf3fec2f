import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { Acknowledgements } from "./acknowledgements.ts";
import { type JournalError, journalError } from "./errors.ts";
import type { Appended } from "./frame.ts";
import { type Recovery, recover } from "./recovery.ts";
import { SegmentFile, SyncError } from "./segment-file.ts";
import { listSegments } from "./segments.ts";
import { SyncLane } from "./sync-lane.ts";
import { WriteLane } from "./write-lane.ts";

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

/** Milliseconds between attempts of a write that failed. */
const RETRY = 250;
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
  readonly #writes: WriteLane;
  readonly #syncs: SyncLane;
  readonly #acknowledgements: Acknowledgements;

  #state: JournalState = "open";
  #failure: JournalError | undefined;
  #first: number;
  #untilRoom: PromiseWithResolvers<void> | undefined;

  private constructor(options: Required<JournalOptions>, recovery: Recovery, segment: SegmentFile) {
    this.recovery = recovery;
    this.end = options.end;
    this.#acknowledgements = new Acknowledgements(options.acknowledged);
    this.#directory = options.directory;
    this.#maxBytes = options.maxBytes;
    this.#first = recovery.first ?? segment.base;
    const lanes = { works: () => this.#state === "open", fail: (cause: unknown) => this.#fail(cause) };
    this.#writes = new WriteLane(lanes, segment, options);
    this.#syncs = new SyncLane(lanes, this.#writes);
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
    return this.#writes.appended - this.#first;
  }

  /** The position behind the last record appended. */
  get position(): number {
    return this.#writes.appended;
  }

  /**
   * Appends a record. It is written with the next commit, or a few milliseconds later; until then its bytes must not change.
   * Bounding what is appended and not yet written is the caller's: await a commit.
   *
   * @throws {JournalError} when broken or closed; `too-long` of this record alone.
   */
  append(record: Appended): void {
    if (this.#state === "broken" || this.#state === "closed") throw this.#refusal();
    this.#writes.append(record);
  }

  /**
   * Resolves when all that was appended before is as safe as asked.
   *
   * @throws {JournalError} when it is not, now; what was appended is kept and written as soon as that works again.
   */
  commit(durability: Durability): Promise<void> {
    if (this.#state !== "open") return Promise.reject(this.#refusal());
    if (durability === "fsync") return this.#syncs.whenSynced();
    return durability === "written" ? this.#writes.whenWritten() : this.#whenAcknowledged();
  }

  /** Unlinks the segments that end at or before `position`. Never the one that is written. */
  async trim(position: number): Promise<void> {
    const segments = listSegments(this.#directory);
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1];
      if (next === undefined || next.base > position || segment.base === this.#writes.segment.base) break;
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
        await this.#writes.segment.seal(this.#writes.written);
      }
    } finally {
      this.#writes.stop();
      this.#state = "closed";
      this.#giveUp(this.#refusal());
      await this.#writes.segment.close();
    }
  }

  async #whenAcknowledged(): Promise<void> {
    const position = this.#writes.appended;
    // Who delivers is told of what is written.
    await this.#writes.whenWritten();
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

  #fail(cause: unknown): void {
    const broken = cause instanceof SyncError;
    this.#state = broken ? "broken" : "stalled";
    this.#failure = journalError(broken ? "broken" : "stalled", "recording failed", cause);
    this.#writes.reject(this.#failure);
    this.#syncs.reject(this.#failure);
    if (broken) this.#giveUp(this.#failure);
    else setTimeout(() => this.#retry(), RETRY);
  }

  #retry(): void {
    if (this.#state !== "stalled") return;
    this.#state = "open";
    this.#writes.write();
  }

  #refusal(): JournalError {
    if (this.#state === "closed") return journalError("closed", "the journal is closed");
    return this.#failure ?? journalError("stalled", "recording failed");
  }
}
