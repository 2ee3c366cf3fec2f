import type { DatabaseSync } from "node:sqlite";
import type {
  Direction,
  RecordedEvent,
  SessionEnded,
  SessionRenewed,
  SessionRevoked,
  SessionStarted,
} from "../recording/events.ts";
import type { Batch, Positioned } from "../recording/reader.ts";
import { ScopeKeys } from "./blocks/keys.ts";
import { ensureMasterKey, masterKeyFile } from "./blocks/master-key.ts";
import { BlockReader } from "./blocks/reader.ts";
import { BlockWriter } from "./blocks/writer.ts";
import { ExchangeRows } from "./exchange-rows.ts";
import { type Prepared, prepare } from "./prepared.ts";
import { NO_SESSION } from "./records.ts";
import { BUSY_TIMEOUT, isFaultOfRecord, openForWriting } from "./schema.ts";
import { Tallies } from "./tallies.ts";

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
  readonly #tallies = new Tallies();
  readonly #exchanges: ExchangeRows;
  readonly #reader: BlockReader;
  readonly #version;
  #seenVersion: unknown;

  /**
   * @param masterKey 32 bytes. Default: what is in `archive.key` beside the file, made when it is absent.
   * @throws {ArchiveError} when the file cannot be an archive of this version, or the key is not its own.
   */
  constructor(file: string, masterKey?: Buffer) {
    this.#database = openForWriting(file);
    try {
      this.#do = prepare(this.#database);
      this.#keys = new ScopeKeys(this.#database, masterKey ?? ensureMasterKey(masterKeyFile(file)));
      this.#blocks = new BlockWriter(this.#database, this.#keys);
      // An answer that cannot be read back any more tells less; nothing waits for it.
      this.#reader = new BlockReader(this.#database, this.#keys, () => undefined);
      const shared = { database: this.#database, prepared: this.#do, blocks: this.#blocks };
      this.#exchanges = new ExchangeRows({ ...shared, reader: this.#reader, tallies: this.#tallies });
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
        const isKnown =
          positioned.frame === undefined ? this.#exchanges.isKnown(positioned) : positioned.next <= known;
        if (!isKnown) this.#orSkip(journal, positioned);
      }
      this.#exchanges.writeBegun();
      this.#do.moveCheckpoint.run(journal, Math.max(known, batch.next));
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

  /** Makes what was applied survive the machine's end too, not only this process's. */
  sync(): void {
    // With NORMAL, commits leave the log to the system's cache. One commit with FULL syncs all of the log before it.
    this.#database.exec("PRAGMA synchronous = FULL");
    try {
      this.#database.exec("UPDATE checkpoints SET position = position");
    } finally {
      this.#database.exec("PRAGMA synchronous = NORMAL");
    }
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
      for (const [session, tally] of this.#tallies.take()) {
        const { exchanges, statements, ended, denied, incomplete, bytes, lastActivity } = tally;
        this.#do.tallySession.run(
          ...[exchanges, statements, ended, denied, incomplete, bytes, lastActivity, session],
        );
      }
      this.#do.commit.run();
      this.#exchanges.renew();
    } catch (error) {
      this.#exchanges.discard();
      this.#tallies.take();
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
  #orSkip(journal: string, positioned: Positioned): void {
    const { record, at, next } = positioned;
    try {
      if (record.kind === "body") this.#exchanges.body(record.chunk, positioned);
      else this.#event(record.event, journal, positioned);
    } catch (error) {
      if (!isFaultOfRecord(error)) throw error;
      this.#do.gap.run(journal, at, next, "unreadable");
    }
  }

  #event(event: RecordedEvent, journal: string, positioned: Positioned): void {
    switch (event.type) {
      case "exchange.requested":
        this.#exchanges.requested(event, journal, positioned);
        return;
      case "exchange.completed":
      case "exchange.denied":
        this.#exchanges.ended(event, journal, positioned);
        return;
      case "gateway.started":
        this.#do.run.run(event.gateway, journal, event.version, event.time, event.truncatedBytes);
        this.#exchanges.cutShort(journal, positioned.at);
        break;
      case "gateway.stopped":
        this.#do.stopRun.run(event.time, event.gateway);
        break;
      case "session.started":
        this.#session(event);
        break;
      case "session.renewed":
        this.#ofSession(event);
        this.#do.renewSession.run(
          ...[event.time, event.principal.user, JSON.stringify(event.principal.groups), event.session],
        );
        break;
      case "session.ended":
      case "session.revoked":
        this.#sessionOver(event);
        break;
      case "identity.refused": {
        const { time, source, userAgent, reason, suppressed } = event;
        const { address, port } = source;
        this.#do.refusedIdentity.run(
          ...[journal, positioned.at, time, address, port, userAgent ?? null, reason, suppressed],
        );
        break;
      }
      default:
        throw new TypeError("an event of a type that is not known");
    }
    this.#blocks.add("session" in event ? event.session : NO_SESSION, positioned);
  }

  #sessionOver(event: SessionEnded | SessionRevoked): void {
    this.#ofSession(event);
    const revoked = event.type === "session.revoked";
    const by = revoked ? event.by.user : null;
    this.#do.endSession.run(revoked ? "revoked" : "ended", event.time, event.because, by, event.session);
  }

  /** Its beginning may be in another journal, and come later. */
  #ofSession({ session, time, principal, source }: SessionRenewed | SessionEnded | SessionRevoked): void {
    this.#do.bareSession.run(session, time, principal.user, source?.address ?? "", source?.port ?? 0);
  }

  #session(event: SessionStarted): void {
    const { session, time, principal, source, userAgent, agent, purpose, expiresAt } = event;
    this.#do.session.run(
      ...[session, time, principal.user, principal.subject, JSON.stringify(principal.groups)],
      ...[source.address, source.port, userAgent ?? null, principal.issuer ?? null],
      ...[agent ?? null, purpose ?? null, expiresAt ?? null],
    );
  }
}
