import { closeSync, fdatasyncSync, fsyncSync, openSync, realpathSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { syncDirectory } from "../files/sync-directory.ts";
import type { BodyChunk, Direction, RecordedEvent } from "../recording/events.ts";
import type { Batch, Gap, Positioned } from "../recording/reader.ts";
import { ScopeKeys } from "./blocks/keys.ts";
import { ensureMasterKey, masterKeyFile } from "./blocks/master-key.ts";
import { BlockReader } from "./blocks/reader.ts";
import { BlockWriter } from "./blocks/writer.ts";
import { EventRows } from "./event-rows.ts";
import type { ExchangeRows } from "./exchange-rows.ts";
import { type Prepared, prepare } from "./prepared.ts";
import { NO_SESSION } from "./records/session.ts";
import { BUSY_TIMEOUT, isFaultOfRecord, openForWriting } from "./schema.ts";

/** A record that topics tell. */
export interface Told {
  readonly positioned: Positioned;
  /** Of an end that waits for its bodies: first its record, so that records keep their order, then its row. Default: both. */
  readonly part?: "record" | "row";
}

/** Whose key seals an event: its session's. */
function scopeOf(event: RecordedEvent): string {
  return ("session" in event ? event.session : undefined) ?? NO_SESSION;
}

/** What changes to recordings are made with. */
export interface Keeping {
  readonly database: DatabaseSync;
  readonly keys: ScopeKeys;
}

/**
 * Writes journal records into the archive. A batch and the journal's checkpoint are one transaction, so each record is in
 * the archive once in effect, whenever the process ends; to apply records again changes nothing.
 *
 * One writer at a time, in a worker or a command: calls are synchronous.
 */
export class ArchiveStore {
  readonly #database: DatabaseSync;
  readonly #do: Prepared;
  readonly #keys: ScopeKeys;
  readonly #blocks: BlockWriter;
  readonly #rows: EventRows;
  readonly #exchanges: ExchangeRows;
  readonly #reader: BlockReader;
  readonly #version;
  readonly #file: string;
  #seenVersion: unknown;
  /** Whether it is certain that the log's name survives the machine's end. */
  #logIsNamed = false;

  /**
   * @param masterKey 32 bytes. Default: what is in `archive.key` beside the file, made when it is absent.
   * @throws {ArchiveError} when the file cannot be an archive of this version, or the key is not its own.
   */
  constructor(file: string, masterKey?: Buffer) {
    this.#database = openForWriting(file);
    // SQLite's log is beside the file itself, not beside a link to it.
    this.#file = realpathSync(file);
    try {
      this.#do = prepare(this.#database);
      this.#keys = new ScopeKeys(this.#database, masterKey ?? ensureMasterKey(masterKeyFile(file)));
      this.#blocks = new BlockWriter(this.#database, this.#keys);
      // An answer that cannot be read back any more tells less; nothing waits for it.
      this.#reader = new BlockReader(this.#database, this.#keys, () => undefined);
      const shared = { database: this.#database, prepared: this.#do, blocks: this.#blocks };
      this.#rows = new EventRows({ ...shared, reader: this.#reader });
      this.#exchanges = this.#rows.exchanges;
      this.#version = this.#database.prepare("PRAGMA data_version");
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Up to where a journal has been applied; 0 when never. */
  checkpoint(journal: string): number {
    return Number(this.#do.checkpoint.get(journal)?.position ?? 0);
  }

  /** Applies records of a journal, in order, and moves its checkpoint to the batch's `next`; all of it or nothing. */
  apply(journal: string, batch: Batch): void {
    this.#transaction(() => {
      const known = this.checkpoint(journal);
      for (const gap of batch.gaps) this.#do.gap.run(journal, gap.from, gap.to, gap.reason);
      for (const positioned of batch.records) {
        if (positioned.next > known)
          this.#orSkip(journal, positioned, () => this.#record(journal, positioned));
      }
      this.#exchanges.writeBegun();
      this.#do.moveCheckpoint.run(journal, Math.max(known, batch.next));
    });
  }

  /**
   * Applies records that come from topics: again after a crash, and partition by partition, so that an end may come before
   * bodies that it tells of. All of it or nothing.
   *
   * @param source the gateway's journal, by the name that it has in topics.
   */
  applyTold(source: string, told: readonly Told[], gaps: readonly Gap[]): void {
    this.#transaction(() => {
      for (const gap of gaps) this.#do.gap.run(source, gap.from, gap.to, gap.reason);
      for (const one of told) this.#orSkip(source, one.positioned, () => this.#told(source, one));
      this.#exchanges.writeBegun();
    });
  }

  /**
   * Applies records that were saved from elsewhere, of which some may be here: what is known of exchanges is passed over.
   * Otherwise as {@link apply}.
   */
  applySaved(journal: string, { records, gaps, next }: Batch): void {
    this.#transaction(() => {
      for (const gap of gaps) this.#do.gap.run(journal, gap.from, gap.to, gap.reason);
      for (const positioned of records) {
        const { record } = positioned;
        this.#orSkip(journal, positioned, () => {
          if (record.kind === "body") this.#chunkOnce(record.chunk, positioned);
          else if (!this.#exchanges.isKnown(record.event)) this.#record(journal, positioned);
        });
      }
      this.#exchanges.writeBegun();
      this.#do.moveCheckpoint.run(journal, Math.max(this.checkpoint(journal), next));
    });
  }

  /** What of a journal is still running and began before a position never ended: a later run has begun. */
  cutShort(journal: string, position: number): void {
    this.#transaction(() => this.#exchanges.cutShort(journal, position));
  }

  /** How many chunks of a body have come from topics, of an exchange that has not ended. */
  arrived(exchange: string, direction: Direction): number {
    return this.#exchanges.arrived(exchange, direction);
  }

  /** Changes what was recorded before, in one transaction; all of it or nothing. */
  maintain<Result>(work: (keeping: Keeping) => Result): Result {
    let result: Result | undefined;
    this.#transaction(() => {
      this.#exchanges.distrust();
      this.#reader.discard();
      result = work({ database: this.#database, keys: this.#keys });
    });
    this.#blocks.discard();
    return result as Result;
  }

  /** The database, to read; writing is for {@link maintain}. */
  get database(): DatabaseSync {
    return this.#database;
  }

  /**
   * Moves the write-ahead log into the file and cuts it to nothing, so that nothing lies in it that the file has no more.
   *
   * @returns false when somebody still reads from it.
   */
  emptyLog(): boolean {
    // Not with the patience of other calls, in which this thread would do nothing else.
    this.#database.exec("PRAGMA busy_timeout = 100");
    try {
      return this.#database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.busy === 0;
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`);
    }
  }

  /**
   * Makes what was applied survive the machine's end too, not only this process's: with NORMAL, commits leave the log to the
   * system's cache. What is not in the log any more was made safe when it was moved into the file.
   */
  sync(): void {
    syncNow(`${this.#file}-wal`, fdatasyncSync);
    if (this.#logIsNamed || process.platform === "win32") return;
    // A new file's name is in its folder, not in the file.
    syncNow(dirname(this.#file), fsyncSync);
    this.#logIsNamed = true;
  }

  /** As {@link sync}, of what was applied until now, on another thread: more may be applied meanwhile. */
  async syncAside(): Promise<void> {
    await using log = await open(`${this.#file}-wal`, "r+");
    await log.datasync();
    if (this.#logIsNamed) return;
    await syncDirectory(dirname(this.#file));
    this.#logIsNamed = true;
  }

  /** Closes the file; its log is moved into it. */
  close(): void {
    this.#database.close();
  }

  #transaction(work: () => void): void {
    this.#do.begin.run();
    try {
      this.#noticeOthers();
      this.#keys.adopt();
      work();
      this.#blocks.flush();
      this.#rows.writeTallies();
      this.#do.commit.run();
      this.#exchanges.renew();
    } catch (error) {
      this.#rows.discard();
      // After some failures (a full disk) SQLite has rolled back by itself.
      if (this.#database.isTransaction) this.#do.rollback.run();
      this.#blocks.discard();
      throw error;
    } finally {
      this.#keys.renew();
    }
  }

  /** What is remembered of the file may be gone when another process has changed it: retired, or forgotten. */
  #noticeOthers(): void {
    const version = this.#version.get()?.data_version;
    if (version !== this.#seenVersion) {
      this.#exchanges.discard();
      this.#reader.discard();
      this.#blocks.discard();
    }
    this.#seenVersion = version;
  }

  /** A record that the tables do not take, such as one of a newer version, must not stop those behind it. */
  #orSkip(journal: string, { at, next }: Positioned, write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!isFaultOfRecord(error)) throw error;
      this.#do.gap.run(journal, at, next, "unreadable");
    }
  }

  #record(journal: string, positioned: Positioned): void {
    const { record, at } = positioned;
    if (record.kind === "body") {
      this.#blocks.add(this.#exchanges.scopeOf(record.chunk.exchange), positioned);
      this.#exchanges.body(record.chunk);
    } else {
      const block = this.#blocks.add(scopeOf(record.event), positioned);
      this.#rows.event(record.event, { journal, position: at, block });
    }
  }

  /** A chunk that may come again, and behind its exchange's end. */
  #chunkOnce(chunk: BodyChunk, positioned: Positioned): void {
    if (this.#exchanges.hasArrived(chunk)) return;
    const block = this.#blocks.add(this.#exchanges.scopeOf(chunk.exchange), positioned);
    this.#exchanges.body(chunk);
    this.#exchanges.arrive(chunk, block);
  }

  #told(journal: string, { positioned, part }: Told): void {
    const { record, at } = positioned;
    if (record.kind === "body") {
      this.#chunkOnce(record.chunk, positioned);
      return;
    }
    const { event } = record;
    const block = part === "row" ? this.#blocks.latest : this.#recordOnce(event, positioned);
    if (part !== "record" && !this.#exchanges.isKnown(event))
      this.#rows.event(event, { journal, position: at, block });
  }

  /** Events of a chain come in its order, however often. Returns the block that the event is in, or one behind it. */
  #recordOnce(event: RecordedEvent, positioned: Positioned): number {
    const { chain } = event;
    if (chain !== undefined) {
      const next = Number(this.#do.chain.get(chain.id)?.next ?? 0);
      if (chain.sequence < next) return this.#blocks.latest;
      this.#do.moveChain.run(chain.id, chain.sequence + 1);
    }
    return this.#blocks.add(scopeOf(event), positioned);
  }
}

function syncNow(path: string, sync: (file: number) => void): void {
  const file = openSync(path, "r");
  try {
    sync(file);
  } finally {
    closeSync(file);
  }
}
