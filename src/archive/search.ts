import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { archiveFile } from "../config/paths.ts";
import type { Direction } from "../recording/events.ts";
import { type CatchUpOptions, catchUp, type Freshness } from "./catch-up.ts";
import { ArchiveError } from "./errors.ts";
import {
  type ArchivedExchange,
  type ArchivedSession,
  type RefusedIdentities,
  type Row,
  toExchange,
  toRefusedIdentities,
  toSession,
} from "./records.ts";
import { openForReading } from "./schema.ts";
import { DIRECTION } from "./store.ts";

/** Which sessions; conditions on exchanges (`table`, `text`, `denied`) must all hold for one exchange of the session. */
export interface SessionFilter {
  /** A user or a subject, exactly, whatever the case. */
  readonly user?: string | undefined;
  /** Only sessions with activity since then; milliseconds since the Unix epoch. */
  readonly since?: number | undefined;
  /** `table`, `dataset.table` or `project.dataset.table`: named by the request's path, or anywhere in its SQL. */
  readonly table?: string | undefined;
  /** Part of the SQL, whatever the case. */
  readonly text?: string | undefined;
  readonly denied?: boolean | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
}

/** What an id, or the beginning of one, stands for. */
export type Found =
  | { readonly kind: "session"; readonly session: ArchivedSession }
  | { readonly kind: "exchange"; readonly exchange: ArchivedExchange };

/** In place of a session's id: the exchanges that were refused before they had one. */
export const NO_SESSION = "none";

/** Ids named when several begin alike. */
const NAMED_IDS = 4;

const SUMS = `
  count(x.id) AS exchanges,
  max(max(x.time, coalesce(x.ended, x.time))) AS last_activity,
  coalesce(sum(x.outcome = 'denied'), 0) AS denied,
  coalesce(sum(x.outcome = 'incomplete'), 0) AS incomplete,
  coalesce(sum(x.outcome = 'running'), 0) AS running,
  coalesce(sum(coalesce(x.request_bytes, 0) + coalesce(x.response_bytes, 0)), 0) AS bytes`;

/**
 * Opens the archive to read, after bringing it up to what the journals hold.
 *
 * @throws {ArchiveError}
 */
export async function openSearch(
  dataDir: string,
  options?: CatchUpOptions,
): Promise<{ search: ArchiveSearch; freshness: Freshness }> {
  const freshness = await catchUp(dataDir, options);
  return { search: new ArchiveSearch(dataDir, freshness.live), freshness };
}

/** Finds what was recorded. Reads only, beside a running gateway if need be; results come as they are taken. */
export class ArchiveSearch {
  /** Absent while there is no archive yet. */
  readonly #database: DatabaseSync | undefined;
  readonly #live: boolean;

  /**
   * @param live whether a gateway runs on the data directory: without one, what has not ended is `incomplete`.
   * @throws {ArchiveError}
   */
  constructor(dataDir: string, live: boolean) {
    this.#database = openForReading(archiveFile(dataDir));
    this.#live = live;
  }

  /** Sessions, the most recently active first. */
  sessions(filter: SessionFilter = {}): ArchivedSession[] {
    const { conditions, values } = sessionConditions(filter);
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    const having = filter.since === undefined ? "" : "HAVING coalesce(last_activity, s.started) >= ?";
    if (filter.since !== undefined) values.push(filter.since);
    const rows = this.#all(
      `SELECT s.*, ${SUMS} FROM sessions s LEFT JOIN exchanges x ON x.session = s.id ${where}
       GROUP BY s.id ${having} ORDER BY coalesce(last_activity, s.started) DESC, s.id DESC LIMIT ?`,
      ...values,
      filter.limit ?? 50,
    );
    return rows.map((row) => toSession(row, this.#live));
  }

  session(id: string): ArchivedSession | undefined {
    const [row] = this.#all(
      `SELECT s.*, ${SUMS} FROM sessions s LEFT JOIN exchanges x ON x.session = s.id WHERE s.id = ? GROUP BY s.id`,
      id,
    );
    return row === undefined ? undefined : toSession(row, this.#live);
  }

  /** The exchanges that were refused before they had a session, as a session without a user; undefined when none were. */
  withoutSession(): ArchivedSession | undefined {
    const [row] = this.#all(
      `SELECT '${NO_SESSION}' AS id, '' AS user, min(x.time) AS started, ${SUMS} FROM exchanges x WHERE x.session IS NULL`,
    );
    const session = row === undefined ? undefined : toSession(row, this.#live);
    return session === undefined || session.exchanges === 0 ? undefined : session;
  }

  /** Those who were refused as unknown; undefined when nobody was. */
  refusedIdentities(): RefusedIdentities | undefined {
    // An archive that an older gateway still writes has no table of them.
    const [table] = this.#all("SELECT 1 FROM sqlite_schema WHERE name = 'refused_identities'");
    if (table === undefined) return undefined;
    const [row] = this.#all(
      `SELECT *, (SELECT sum(1 + suppressed) FROM refused_identities) AS count
       FROM refused_identities ORDER BY time DESC LIMIT 1`,
    );
    return row === undefined ? undefined : toRefusedIdentities(row);
  }

  /** A session's exchanges in the order they began. */
  *exchanges(session: string): Generator<ArchivedExchange> {
    const rows =
      session === NO_SESSION
        ? this.#iterate("SELECT * FROM exchanges WHERE session IS NULL ORDER BY time, id")
        : this.#iterate("SELECT * FROM exchanges WHERE session = ? ORDER BY time, id", session);
    for (const row of rows) yield toExchange(row, this.#live);
  }

  exchange(id: string): ArchivedExchange | undefined {
    const [row] = this.#all("SELECT * FROM exchanges WHERE id = ?", id);
    return row === undefined ? undefined : toExchange(row, this.#live);
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

  /** A body's bytes as they passed, chunk by chunk. */
  *body(exchange: string, direction: Direction): Generator<Uint8Array> {
    const rows = this.#iterate(
      "SELECT bytes FROM bodies WHERE exchange = ? AND direction = ? ORDER BY sequence",
      exchange,
      DIRECTION[direction],
    );
    for (const { bytes } of rows) if (bytes instanceof Uint8Array) yield bytes;
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

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#database?.prepare(sql).all(...values) ?? [];
  }

  #iterate(sql: string, ...values: SQLInputValue[]): Iterable<Row> {
    return this.#database?.prepare(sql).iterate(...values) ?? [];
  }
}

function sessionConditions(filter: SessionFilter): { conditions: string[]; values: SQLInputValue[] } {
  const conditions: string[] = [];
  const values: SQLInputValue[] = [];
  if (filter.user !== undefined) {
    conditions.push("(s.user = ? COLLATE NOCASE OR s.subject = ? COLLATE NOCASE)");
    values.push(filter.user, filter.user);
  }
  const one: string[] = [];
  if (filter.table !== undefined) {
    const [table, dataset, project] = filter.table.replaceAll("`", "").split(".").reverse();
    const named = ["y.table_name = ?"];
    values.push(table ?? "");
    for (const [column, value] of [["dataset", dataset] as const, ["project", project] as const]) {
      if (value === undefined) continue;
      named.push(`y.${column} = ?`);
      values.push(value);
    }
    // In SQL each part may stand in backquotes of its own, or all of them in one pair.
    one.push(`(${named.join(" AND ")} OR replace(y.sql, '\`', '') LIKE ? ESCAPE '\\')`);
    values.push(containing(filter.table.replaceAll("`", "")));
  }
  if (filter.text !== undefined) {
    one.push("y.sql LIKE ? ESCAPE '\\'");
    values.push(containing(filter.text));
  }
  if (filter.denied === true) one.push("y.outcome = 'denied'");
  if (one.length > 0) {
    conditions.push(`EXISTS (SELECT 1 FROM exchanges y WHERE y.session = s.id AND ${one.join(" AND ")})`);
  }
  return { conditions, values };
}

/** A LIKE pattern for text that has `part` in it, taken literally. */
function containing(part: string): string {
  return `%${part.replaceAll(/[\\%_]/g, "\\$&")}%`;
}
