import type { DatabaseSync } from "node:sqlite";
import type { JournalRecord } from "../../recording/frame.ts";
import { EventRows } from "../event-rows.ts";
import { type Prepared, prepare } from "../prepared.ts";
import type { Row } from "../records/row.ts";
import { NO_SESSION } from "../records/session.ts";
import { openScratch } from "../schema.ts";
import type { Problem } from "./problem.ts";

/** Records from one commit of the scratch archive to the next. */
const AT_A_TIME = 5_000;

/** Made of an exchange's request and its end. */
const OF_EXCHANGE = `id, time, user, operation, project, dataset, table_name, sql_truncated, dry_run, upload, effect, rule,
  outcome, ended, status, grpc_status, answered_by, error_code, request_bytes, response_bytes`;
const OWN: ReadonlySet<string> = new Set(OF_EXCHANGE.split(/,\s*/));
/** Made of bodies too, and of what others asked for the same statement. */
const OF_STATEMENT = `location, job, job_project, query_id, answer_rows, total_rows, more_pages, statement_type,
  bytes_processed, dml_rows, cache_hit, job_complete, answer_reason, result_table,
  statement, statement_exchanges, statement_rows, statement_bytes, statement_ended,
  (SELECT text FROM texts WHERE texts.id = sql_text) AS sql,
  (SELECT text FROM texts WHERE texts.id = answer_text) AS answer,
  (SELECT text FROM texts WHERE texts.id = columns_text) AS columns`;
const OF_SESSION = `id, started, user, subject, principal_groups, source_address, source_port, user_agent, issuer, agent,
  purpose, expires, renewed, over, over_at, over_because, over_by, exchanges, statements, ended, denied, bytes`;
const OF_RUN = "gateway AS id, version, started, stopped, truncated_bytes";
const OF_REFUSED =
  "printf('%s %.3f %s', source_address, time, reason) AS id, source_port, user_agent, suppressed";

/** What rows need not say, since it was destroyed on purpose. */
export interface GoneRows {
  /** Bodies, and what rows quoted of them. */
  readonly withoutBodies?: boolean;
  /** What is older; milliseconds since the Unix epoch. */
  readonly since?: number;
}

/**
 * Compares the rows of a session with those that its records make: what is searched and listed is no evidence by itself, and
 * somebody may have changed it alone. The records are made into rows again by the code that made them, in an archive that is
 * thrown away.
 */
export class RowCheck {
  readonly #archive: DatabaseSync;
  readonly #scratch = openScratch();
  readonly #prepared: Prepared;
  readonly #rows: EventRows;
  readonly #session: string;
  readonly #gone: GoneRows;
  #position = 0;

  /** @param recordsOf an exchange's records, for bodies that are too large to be kept meanwhile. */
  constructor(
    archive: DatabaseSync,
    session: string,
    recordsOf: (exchange: string) => Generator<JournalRecord>,
    gone: GoneRows = {},
  ) {
    this.#gone = gone;
    this.#archive = archive;
    this.#session = session;
    this.#prepared = prepare(this.#scratch);
    this.#rows = new EventRows({
      database: this.#scratch,
      prepared: this.#prepared,
      blocks: { flush: () => undefined },
      reader: { ofExchange: recordsOf },
    });
    this.#prepared.begin.run();
  }

  add(record: JournalRecord): void {
    this.#position += 1;
    if (record.kind === "body") this.#rows.exchanges.body(record.chunk);
    else this.#event(record.event);
    if (this.#position % AT_A_TIME === 0) this.#commit();
  }

  *end(): Generator<Problem> {
    this.#commit();
    const since = this.#gone.since ?? Number.NEGATIVE_INFINITY;
    try {
      yield* this.#exchanges(since);
      if (this.#session === NO_SESSION) {
        yield* this.#compare(`SELECT ${OF_RUN} FROM runs WHERE started >= ? ORDER BY 1`, "a gateway's run", [
          since,
        ]);
        yield* this.#compare(
          `SELECT ${OF_REFUSED} FROM refused_identities WHERE time >= ? ORDER BY 1`,
          "a refused identity",
          [since],
        );
      } else {
        yield* this.#compare(`SELECT ${OF_SESSION} FROM sessions WHERE id = ?`, "the session", [
          this.#session,
        ]);
      }
    } finally {
      this.#scratch.close();
    }
  }

  #event(event: (JournalRecord & { kind: "event" })["event"]): void {
    try {
      this.#rows.event(event, { journal: "", position: this.#position, block: 0 });
    } catch {
      // An event that makes no row, such as one that was changed beyond that, is the chain's to tell.
    }
  }

  #commit(): void {
    this.#rows.exchanges.writeBegun();
    this.#rows.writeTallies();
    this.#prepared.commit.run();
    this.#rows.exchanges.renew();
    this.#prepared.begin.run();
  }

  *#exchanges(since: number): Generator<Problem> {
    const columns = this.#gone.withoutBodies === true ? OF_EXCHANGE : `${OF_EXCHANGE}, ${OF_STATEMENT}`;
    const session = this.#session === NO_SESSION ? null : this.#session;
    const sql = `SELECT ${columns} FROM exchanges WHERE session IS ? AND time >= ? ORDER BY id`;
    yield* this.#compare(sql, "the exchange", [session, since], (row) => this.#isSharedStatement(row));
  }

  /** Goes through the same question's answers of both, each in order of its first column. */
  *#compare(
    sql: string,
    what: string,
    values: readonly (string | number | null)[],
    isShared: (row: Row) => boolean = () => false,
  ): Generator<Problem> {
    const made = this.#scratch.prepare(sql).iterate(...values);
    const kept = this.#archive.prepare(sql).iterate(...values);
    let [a, b] = [made.next(), kept.next()];
    while (a.done !== true || b.done !== true) {
      const left: Row | undefined = a.done === true ? undefined : a.value;
      const right: Row | undefined = b.done === true ? undefined : b.value;
      const order = left === undefined ? 1 : right === undefined ? -1 : compareIds(left, right);
      if (order < 0 && left !== undefined) {
        yield this.#problem("row-missing", what, left, "is recorded, and has no row to be found by");
      } else if (order > 0 && right !== undefined) {
        yield this.#problem("row-added", what, right, "has a row, and is not recorded");
      } else if (left !== undefined && right !== undefined) {
        const names = differences(left, right);
        // Of a statement that it shares only what it did itself can be compared.
        const isOwn = (name: string): boolean => OWN.has(name) || !isShared(right);
        if (names.some(isOwn)) {
          const said = `is not what its row says: ${names.filter(isOwn).join(", ")}`;
          yield this.#problem("row-changed", what, right, said);
        }
      }
      if (order <= 0) a = made.next();
      if (order >= 0) b = kept.next();
    }
  }

  #problem(kind: Problem["kind"], what: string, row: Row, message: string): Problem {
    const id = String(row.id);
    const exchange = what === "the exchange" ? { exchange: id } : {};
    const named = what === "the exchange" || what === "the session" ? what : `${what} (${id})`;
    return { kind, session: this.#session, ...exchange, message: `${named} ${message}` };
  }

  /** Whether others than this session ask for the statement, or did, or began it: its row has what they did, too. */
  #isSharedStatement({ id, statement }: Row): boolean {
    if (statement === null || statement === undefined) return false;
    const other = this.#archive
      .prepare(
        `SELECT 1 FROM exchanges WHERE (id = ?1 OR statement = ?1 AND statement <> id) AND session IS NOT ?2
         UNION ALL SELECT 1 FROM exchanges WHERE id = ?3 AND statement_shared = 1 LIMIT 1`,
      )
      .get(statement, this.#session, id ?? null);
    return other !== undefined;
  }
}

/** As SQLite orders text: by its bytes. */
function compareIds(left: Row, right: Row): number {
  return Buffer.compare(Buffer.from(String(left.id)), Buffer.from(String(right.id)));
}

function differences(made: Row, kept: Row): string[] {
  return Object.keys(made).filter((name) => {
    // Whether an exchange without an end was cut short is told by the gateway's next start, in another session's records.
    if (name === "outcome" && made.outcome === "running" && kept.outcome === "incomplete") return false;
    return made[name] !== kept[name];
  });
}
