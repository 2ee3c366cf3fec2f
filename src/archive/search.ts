import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { archiveFile } from "../config/paths.ts";
import type { Direction } from "../recording/events.ts";
import type { JournalRecord } from "../recording/frame.ts";
import { ScopeKeys } from "./blocks/keys.ts";
import { masterKeyFile, readMasterKey } from "./blocks/master-key.ts";
import { BlockReader, type DamagedBlock, refuseDamage } from "./blocks/reader.ts";
import { type CatchUpOptions, catchUp, type Freshness } from "./catch-up.ts";
import { ArchiveError } from "./errors.ts";
import { type SessionFilter, sessionRows } from "./find/sessions.ts";
import { type StatementFilter, statementRows } from "./find/statements.ts";
import { defineHasWords } from "./find/words.ts";
import { Recordings } from "./recordings.ts";
import type { ArchivedExchange } from "./records/exchange.ts";
import type { Row } from "./records/row.ts";
import {
  type ArchivedSession,
  NO_SESSION,
  type RefusedIdentities,
  toRefusedIdentities,
  toSession,
} from "./records/session.ts";
import { type ArchivedStatement, toStatement } from "./records/statement.ts";
import { openForReading } from "./schema.ts";
import type { SignedNotice } from "./verify/destroyed.ts";
import { type GoneRows, RowCheck } from "./verify/rows.ts";

export type { SessionFilter } from "./find/sessions.ts";
export type { StatementFilter } from "./find/statements.ts";

/** What an id, or the beginning of one, stands for. */
export type Found =
  | { readonly kind: "session"; readonly session: ArchivedSession }
  | { readonly kind: "exchange"; readonly exchange: ArchivedExchange };

type OnDamage = (block: DamagedBlock) => void;

/** Exchanges of a statement that are counted at most: more than a replay waits for. */
const COUNTED = 2_000;

/** Ids named when several begin alike. */
const NAMED_IDS = 4;

/** Of those that were refused before they had a session: there is no row to keep count in. */
const REFUSED = `SELECT '${NO_SESSION}' AS id, '' AS user, min(time) AS started, count(*) AS exchanges,
  max(coalesce(ended, time)) AS last_activity, count(ended) AS ended,
  coalesce(sum(outcome = 'denied'), 0) AS denied, coalesce(sum(outcome = 'incomplete'), 0) AS incomplete,
  coalesce(sum(coalesce(request_bytes, 0) + coalesce(response_bytes, 0)), 0) AS bytes
  FROM exchanges WHERE session IS NULL`;

/**
 * Opens the archive to read, after bringing it up to what the journals hold.
 *
 * @throws {ArchiveError}
 */
export async function openSearch(
  dataDir: string,
  options?: CatchUpOptions & { readonly onDamage?: OnDamage },
): Promise<{ search: ArchiveSearch; freshness: Freshness }> {
  const freshness = await catchUp(dataDir, options);
  const search = new ArchiveSearch(dataDir, freshness.live, options?.masterKey, options?.onDamage);
  return { search: search, freshness };
}

/** Finds what was recorded. Reads only, beside a running gateway if need be; results come as they are taken. */
export class ArchiveSearch {
  /** Absent while there is no archive yet. */
  readonly #database: DatabaseSync | undefined;
  readonly #recordings: Recordings | undefined;
  readonly #live: boolean;
  /** Told of blocks that cannot be read, which are passed over then. Without, an error is thrown. */
  onDamage: ((block: DamagedBlock) => void) | undefined;

  /**
   * @param live whether a gateway runs on the data directory: without one, what has not ended is `incomplete`.
   * @param masterKey 32 bytes. Default: what is in `archive.key` beside the file.
   * @param onDamage told of blocks that cannot be read, which are passed over. Default: an error is thrown.
   * @throws {ArchiveError}
   */
  constructor(dataDir: string, live: boolean, masterKey?: Buffer, onDamage?: OnDamage) {
    const file = archiveFile(dataDir);
    const database = openForReading(file);
    try {
      if (database !== undefined) defineHasWords(database);
      this.onDamage = onDamage;
      this.#recordings =
        database && new Recordings(database, this.#openBlocks(database, file, masterKey), live);
    } catch (error) {
      database?.close();
      throw error;
    }
    this.#database = database;
    this.#live = live;
  }

  /** Sessions, the most recently active first. */
  sessions(filter: SessionFilter = {}): ArchivedSession[] {
    if (this.#database === undefined) return [];
    return sessionRows(this.#database, filter).map((row) => toSession(row, this.#live));
  }

  /** Statements, each with all that belongs to it summed up. */
  statements(filter: StatementFilter = {}): ArchivedStatement[] {
    if (this.#database === undefined) return [];
    return statementRows(this.#database, filter).map((row) => toStatement(row, this.#live));
  }

  session(id: string): ArchivedSession | undefined {
    const [row] = this.#all("SELECT * FROM sessions WHERE id = ?", id);
    return row === undefined ? undefined : toSession(row, this.#live);
  }

  /** The exchanges that were refused before they had a session, as a session without a user; undefined when none were. */
  withoutSession(): ArchivedSession | undefined {
    const [row] = this.#all(REFUSED);
    const session = row === undefined ? undefined : toSession(row, this.#live);
    return session === undefined || session.exchanges === 0 ? undefined : session;
  }

  /** Sessions under legal hold, in the order in which they were put under it. */
  heldSessions(): ArchivedSession[] {
    return this.#all("SELECT * FROM sessions WHERE held IS NOT NULL ORDER BY held, id").map((row) =>
      toSession(row, this.#live),
    );
  }

  /** Those who were refused as unknown; undefined when nobody was. */
  refusedIdentities(): RefusedIdentities | undefined {
    const [row] = this.#all(
      `SELECT *, (SELECT sum(1 + suppressed) FROM refused_identities) AS count
       FROM refused_identities ORDER BY time DESC LIMIT 1`,
    );
    return row === undefined ? undefined : toRefusedIdentities(row);
  }

  /** A session's exchanges in the order they began. */
  *exchanges(session: string): Generator<ArchivedExchange> {
    if (session === NO_SESSION) yield* this.#matching("x.session IS NULL");
    else yield* this.#matching("x.session = ?", session);
  }

  exchange(id: string): ArchivedExchange | undefined {
    return this.#recordings?.exchange(id);
  }

  /** The exchanges that belong to a statement, in the order they began; `statement` is the id of the first. */
  *exchangesOf(statement: string): Generator<ArchivedExchange> {
    const first = this.exchange(statement);
    if (first !== undefined) yield first;
    yield* this.#matching("x.statement = ? AND x.statement <> x.id", statement);
  }

  /** How many exchanges belong to a statement, whose ever they are; counts some thousands at most. */
  sizeOf(statement: string): number {
    const [row] = this.#all(
      `SELECT count(*) AS others FROM (SELECT 1 FROM exchanges WHERE statement = ? AND statement <> id LIMIT ${COUNTED})`,
      statement,
    );
    return 1 + Number(row?.others ?? 0);
  }

  /**
   * The journals' own records of a session, in the order of each journal; of {@link NO_SESSION}, the gateways' own too. What
   * came from topics is in that order again: bodies stand in front of their exchange's end.
   */
  *records(session: string): Generator<JournalRecord> {
    if (this.#recordings === undefined) return;
    yield* this.isTold ? this.#recordings.inToldOrder(session) : this.#recordings.inJournalOrder(session);
  }

  /**
   * What begins with `prefix`; a whole id wins over longer ones.
   *
   * @throws {ArchiveError} `unknown-id` or `ambiguous-id`.
   */
  find(prefix: string): Found {
    if (prefix === NO_SESSION) {
      const session = this.withoutSession();
      if (session !== undefined) return { kind: "session", session };
      throw new ArchiveError("unknown-id", "no exchange was refused before it had a session");
    }
    const ids = this.#idsFrom(prefix);
    const exact = ids.find(({ kind, id }) => id === (kind === "session" ? prefix : prefix.toLowerCase()));
    const [first, second] = exact === undefined ? ids : [exact];
    if (first === undefined || prefix === "") {
      throw new ArchiveError("unknown-id", `no session or exchange has an id that begins with "${prefix}"`);
    }
    if (second !== undefined) {
      const some = ids.slice(0, NAMED_IDS).map(({ kind, id }) => `${kind} ${id}`);
      const list = [...some, ...(ids.length > NAMED_IDS ? ["…"] : [])].join(", ");
      throw new ArchiveError("ambiguous-id", `"${prefix}" begins several ids: ${list}; give more of it`);
    }
    if (first.kind === "session") {
      const session = this.session(first.id);
      if (session !== undefined) return { kind: "session", session };
    } else {
      const exchange = this.exchange(first.id);
      if (exchange !== undefined) return { kind: "exchange", exchange };
    }
    throw new ArchiveError("unknown-id", `${first.kind} ${first.id} is not in the archive any more`);
  }

  /** A body's bytes as they passed, chunk by chunk; ends where a chunk is missing. */
  *body(exchange: string, direction: Direction): Generator<Uint8Array> {
    for (const { chunk } of this.#recordings?.chunks(exchange, direction) ?? []) yield chunk.bytes;
  }

  /** Parts of journals that could not be read, so that something may be missing in the archive. */
  gaps(): { journal: string; from: number; to: number; reason: string }[] {
    return this.#all("SELECT journal, first, behind, reason FROM gaps ORDER BY journal, first").map(
      (row) => ({
        journal: String(row.journal),
        from: Number(row.first),
        to: Number(row.behind),
        reason: String(row.reason),
      }),
    );
  }

  /** Whether what is here came from topics, which cut long events. */
  get isTold(): boolean {
    return this.#all("SELECT 1 FROM chains LIMIT 1").length > 0;
  }

  /** What says that something was destroyed on purpose. */
  *notices(): Generator<SignedNotice> {
    for (const { content, kid, signature } of this.#all("SELECT content, kid, signature FROM notices"))
      yield { content: String(content), kid, signature };
  }

  /**
   * Runs something on the archive as it is when it begins to read. The log cannot be moved into the file meanwhile, so it must not
   * take long.
   */
  atOnce<T>(read: () => T): T {
    if (this.#database === undefined) return read();
    this.#database.exec("BEGIN");
    try {
      return read();
    } finally {
      this.#database.exec("COMMIT");
    }
  }

  /** Begins to compare a session's rows with its records. */
  checkRows(session: string, gone: GoneRows = {}): RowCheck {
    const recordings = this.#recordings;
    if (this.#database === undefined || recordings === undefined)
      throw new ArchiveError("failed", "there is no archive");
    return new RowCheck(this.#database, session, (exchange) => recordings.chunks(exchange, "response"), gone);
  }

  /** Sessions that exchanges name, and the list of sessions has not. */
  *unlisted(): Generator<string> {
    const rows = this.#all(
      "SELECT DISTINCT session FROM exchanges WHERE session IS NOT NULL AND session NOT IN (SELECT id FROM sessions)",
    );
    for (const { session } of rows) yield String(session);
  }

  close(): void {
    this.#database?.close();
  }

  #idsFrom(prefix: string): { kind: "session" | "exchange"; id: string }[] {
    // A range, unlike LIKE, uses the index; U+FFFF sorts behind all that an id can hold.
    // Sessions' ids tell upper from lower case, exchanges' (UUIDs) do not.
    const exchange = prefix.toLowerCase();
    const rows = this.#all(
      `SELECT * FROM (SELECT 'session' AS kind, id FROM sessions WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ${NAMED_IDS + 1})
       UNION ALL
       SELECT * FROM (SELECT 'exchange', id FROM exchanges WHERE id >= ?3 AND id < ?4 ORDER BY id LIMIT ${NAMED_IDS + 1})`,
      prefix,
      `${prefix}\uffff`,
      exchange,
      `${exchange}\uffff`,
    );
    return rows.map(({ kind, id }) => ({
      kind: kind === "session" ? "session" : "exchange",
      id: String(id),
    }));
  }

  *#matching(condition: string, ...values: SQLInputValue[]): Generator<ArchivedExchange> {
    if (this.#recordings !== undefined) yield* this.#recordings.exchanges(condition, ...values);
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#database?.prepare(sql).all(...values) ?? [];
  }

  #openBlocks(database: DatabaseSync, file: string, masterKey: Buffer | undefined): BlockReader {
    const key = masterKey ?? readMasterKey(masterKeyFile(file));
    if (key === undefined) {
      throw new ArchiveError(
        "wrong-key",
        `the archive's key ${masterKeyFile(file)} is missing, without which no recording in ${file} can be read: put it back`,
      );
    }
    const onDamage = (block: DamagedBlock): void => (this.onDamage ?? refuseDamage)(block);
    return new BlockReader(database, new ScopeKeys(database, key), onDamage);
  }
}
