import { mkdirSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { type JournalError, journalError } from "./errors.ts";
import { type Recovery, recover } from "./recovery.ts";
import { SegmentFile, SyncError } from "./segment-file.ts";
import { listSegments } from "./segments.ts";

/** How safe bytes are: `written` survives this process, `fsync` survives the machine. */
export type Durability = "written" | "fsync";

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
}

/**
 * - `open`: takes records.
 * - `full`: holds `maxBytes`; takes no new exchange until a reader lets segments go.
 * - `stalled`: the last write failed (no space, say); it is tried again, and nothing that was appended is lost.
 * - `broken`: a sync failed, so what the disk holds is unknown; only a restart, which reads it, can tell.
 * - `closed`: by {@link Journal.close}.
 */
export type JournalState = "open" | "full" | "stalled" | "broken" | "closed";

interface Waiter {
  readonly position: number;
  readonly durability: Durability;
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
 * The append-only log that an exchange is recorded in before anything of it moves on: records are appended in memory,
 * then committed in groups. While one group is being written the next gathers, so under load one write (and one sync)
 * serves many exchanges.
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
  #pending: Uint8Array[] = [];
  #waiters: Waiter[] = [];
  #flushing: Promise<void> | undefined;
  #linger: NodeJS.Timeout | undefined;

  private constructor(options: Required<JournalOptions>, recovery: Recovery, segment: SegmentFile) {
    this.recovery = recovery;
    this.end = options.end;
    this.#published = new BigInt64Array(this.end);
    this.#directory = options.directory;
    this.#maxBytes = options.maxBytes;
    this.#segmentBytes = options.segmentBytes;
    this.#segment = segment;
    this.#first = recovery.first ?? segment.base;
    this.#appended = this.#written = this.#synced = segment.base;
    this.#publish();
  }

  /**
   * Opens the journal of a directory, made when absent: cuts off a torn last frame and begins a new segment.
   *
   * @throws {JournalError} `unusable` when the directory or a file in it cannot be used.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const { directory, maxBytes, after = 0, end = new SharedArrayBuffer(8) } = options;
    const segmentBytes = options.segmentBytes ?? Math.min(64 * 1024 * 1024, Math.ceil(maxBytes / 8));
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const recovery = await recover(directory);
      const segment = await SegmentFile.create(directory, Math.max(recovery.end, after));
      return new Journal({ directory, maxBytes, segmentBytes, after, end }, recovery, segment);
    } catch (cause) {
      throw journalError("unusable", `the journal in ${directory} cannot be opened`, cause);
    }
  }

  get state(): JournalState {
    if (this.#state === "open" && this.bytes >= this.#maxBytes) return "full";
    return this.#state;
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
   * Appends a frame, as {@link encodeEvent} and {@link encodeBody} make it. It is written with the next commit, or a few
   * milliseconds later. Bounding what is appended and not yet written is the caller's: await a commit.
   *
   * @throws {JournalError} when broken or closed.
   */
  append(frame: readonly Uint8Array[]): void {
    if (this.#state === "broken" || this.#state === "closed") throw this.#refusal();
    for (const buffer of frame) {
      this.#pending.push(buffer);
      this.#appended += buffer.length;
    }
    this.#flushSoon();
  }

  /**
   * Resolves when all that was appended before is as safe as asked.
   *
   * @throws {JournalError} when it is not, now; what was appended is kept and written as soon as that works again.
   */
  commit(durability: Durability): Promise<void> {
    const position = this.#appended;
    if (this.#state !== "open") return Promise.reject(this.#refusal());
    if (position <= (durability === "fsync" ? this.#synced : this.#written)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ position, durability, resolve, reject });
      this.#flush();
    });
  }

  /** Unlinks the segments that end at or before `position`. Never the one that is written. */
  async trim(position: number): Promise<void> {
    const segments = listSegments(this.#directory);
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1];
      if (next === undefined || next.base > position || segment.base === this.#segment.base) break;
      await unlink(segment.path);
      this.#first = next.base;
    }
  }

  /** Writes and syncs what is left, then closes. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    try {
      if (this.#state !== "broken") await this.commit("fsync");
    } finally {
      clearTimeout(this.#linger);
      this.#state = "closed";
      await this.#segment.close();
    }
  }

  #flushSoon(): void {
    if (this.#flushing === undefined) this.#linger ??= setTimeout(() => this.#flush(), LINGER);
  }

  #flush(): void {
    if (this.#flushing !== undefined || this.#state !== "open") return;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#flushing = this.#flushAll().finally(() => {
      this.#flushing = undefined;
      if (this.#waiters.length > 0) this.#flush();
      else if (this.#pending.length > 0) this.#flushSoon();
    });
  }

  async #flushAll(): Promise<void> {
    do {
      const sync = this.#waiters.some((waiter) => waiter.durability === "fsync");
      try {
        await this.#writeBatch(sync);
      } catch (cause) {
        this.#fail(cause);
        return;
      }
      this.#settle();
    } while (this.#waiters.length > 0);
  }

  /** Writes what waits, up to the bounds of a batch, and syncs when somebody waits for that and all is written. */
  async #writeBatch(sync: boolean): Promise<void> {
    if (this.#written - this.#segment.base >= this.#segmentBytes) await this.#roll();
    let bytes = 0;
    let count = 0;
    while (count < this.#pending.length && count < MAX_BATCH_BUFFERS && bytes < MAX_BATCH_BYTES) {
      bytes += this.#pending[count]?.length ?? 0;
      count += 1;
    }
    const batch = this.#pending.slice(0, count);
    const last = count === this.#pending.length;
    // An O_DSYNC write makes its own bytes safe, but not those before it that were written without.
    const atOnce = sync && last && this.#synced === this.#written;
    if (count > 0) await this.#segment.write(batch, this.#written, atOnce);
    this.#pending.splice(0, count);
    this.#written += bytes;
    this.#publish();
    if (sync && last && !atOnce) await this.#segment.sync();
    if (sync && last) this.#synced = this.#written;
  }

  async #roll(): Promise<void> {
    // What is behind a segment's end is never looked at by a later sync, so it is made safe now.
    await this.#segment.sync();
    this.#synced = this.#written;
    const next = await SegmentFile.create(this.#directory, this.#written);
    await this.#segment.close();
    this.#segment = next;
  }

  #settle(): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.position > (waiter.durability === "fsync" ? this.#synced : this.#written)) return true;
      waiter.resolve();
      return false;
    });
  }

  #fail(cause: unknown): void {
    const broken = cause instanceof SyncError;
    this.#state = broken ? "broken" : "stalled";
    this.#failure = journalError(broken ? "broken" : "stalled", "recording failed", cause);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(this.#failure);
    if (!broken) setTimeout(() => this.#retry(), RETRY);
  }

  #retry(): void {
    if (this.#state !== "stalled") return;
    this.#state = "open";
    this.#flush();
  }

  #refusal(): JournalError {
    if (this.#state === "closed") return journalError("closed", "the journal is closed");
    return this.#failure ?? journalError("stalled", "recording failed");
  }

  #publish(): void {
    Atomics.store(this.#published, 0, BigInt(this.#written));
    Atomics.notify(this.#published, 0);
  }
}
