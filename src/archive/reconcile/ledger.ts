import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { KnownJob } from "./bigquery-jobs.ts";
import type { JobName, NamelessRequest } from "./recorded-jobs.ts";

/** What is between what BigQuery knows and what was recorded. */
export interface Finding {
  /**
   * - `unrecorded`: it ran with the gateway's credential, and no gateway recorded it;
   * - `unknown`: it was recorded, and BigQuery does not know it;
   * - `outcome`: BigQuery says that it failed where the recording has it done, or the other way round, or for another reason.
   */
  readonly kind: "unrecorded" | "unknown" | "outcome";
  readonly project: string;
  readonly location?: string | undefined;
  readonly job: string;
  /** Milliseconds since the Unix epoch: when BigQuery made the job, or when it was recorded. */
  readonly time: number;
  /** BigQuery's user; of what it does not know, the person who asked. */
  readonly user?: string | undefined;
  readonly type?: string | undefined;
  readonly statementType?: string | undefined;
  readonly bytesProcessed?: number | undefined;
  /** The beginning of the statement, where there is one. */
  readonly sql?: string | undefined;
  readonly exchange?: string | undefined;
  readonly session?: string | undefined;
  /** Of `outcome`: what either says. */
  readonly recorded?: string | undefined;
  readonly actual?: string | undefined;
}

/** How BigQuery says that a job ended; undefined: it has not. */
export type ActualEnd = "done" | { readonly failed: string } | undefined;

/** Clocks of gateways and of BigQuery may differ by so much, in milliseconds. */
export const SKEW = 60_000;
/** How long after a request whose end is not known its job may have been made, in milliseconds. */
const UNENDED = 15 * 60_000;

const TABLES = `
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE listed (project TEXT, job TEXT, location TEXT, ended INTEGER, error TEXT, PRIMARY KEY (project, job, location)) WITHOUT ROWID;
CREATE TABLE nameless (project TEXT, sql TEXT, loads INTEGER, first REAL, last REAL, failed INTEGER);
CREATE TABLE findings (time REAL, finding TEXT);
`;

/**
 * What has been seen of a reconciliation, in a temporary file that SQLite removes by itself: hundreds of thousands of jobs
 * take disk, not memory.
 */
export class Ledger {
  // An empty name is a private database on disk, deleted when it is closed.
  readonly #database = new DatabaseSync("");
  readonly #list: StatementSync;
  readonly #listed: StatementSync;
  readonly #take: StatementSync;
  readonly #find: StatementSync;

  constructor() {
    this.#database.exec(TABLES);
    this.#list = this.#database.prepare("INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?, ?)");
    this.#listed = this.#database.prepare(
      "SELECT ended, error FROM listed WHERE project = ?1 AND job = ?2 AND (?3 IS NULL OR location = ?3 COLLATE NOCASE) LIMIT 1",
    );
    this.#take = this.#database.prepare(
      `DELETE FROM nameless WHERE rowid = (
         SELECT rowid FROM nameless WHERE project = ?1 AND sql = ?2 AND ?3 BETWEEN first AND last AND (failed IS NULL OR failed = ?4)
           AND (loads = 0 OR ?5 = 'LOAD')
         ORDER BY failed IS NULL, first LIMIT 1)`,
    );
    this.#find = this.#database.prepare("INSERT INTO findings VALUES (?, ?)");
  }

  /** Remembers requests whose jobs have no name in the recording. */
  nameless(requests: Iterable<NamelessRequest>): void {
    const insert = this.#database.prepare("INSERT INTO nameless VALUES (?, ?, ?, ?, ?, ?)");
    this.#inTransaction(() => {
      for (const { project, sql, loads, time, ended, failed } of requests) {
        const last = (ended ?? time + UNENDED) + SKEW;
        insert.run(
          project,
          sql,
          Number(loads),
          time - SKEW,
          last,
          failed === undefined ? null : Number(failed),
        );
      }
    });
    this.#database.exec("CREATE INDEX nameless_by_sql ON nameless (sql, first)");
  }

  list(jobs: readonly KnownJob[]): void {
    this.#inTransaction(() => {
      for (const { project, job, location, state, error } of jobs) {
        this.#list.run(project, job, location, Number(state === "DONE"), error ?? null);
      }
    });
  }

  /** Whether a job was listed, and how it ended. */
  listed({ project, job, location }: JobName): { readonly end: ActualEnd } | undefined {
    const row = this.#listed.get(project, job, location ?? null);
    if (row === undefined) return undefined;
    if (row.ended !== 1) return { end: undefined };
    return { end: typeof row.error === "string" ? { failed: row.error } : "done" };
  }

  /** Whether a request without a name can have made this job. Each is the reason of one job only. */
  explain({ project, sql, created, error, type }: KnownJob): boolean {
    const failed = Number(error !== undefined);
    return this.#take.run(project, sql, created, failed, type ?? null).changes === 1;
  }

  find(finding: Finding): void {
    this.#find.run(finding.time, JSON.stringify(finding));
  }

  /** In the order of time. */
  *findings(): Generator<Finding> {
    const rows = this.#database.prepare("SELECT finding FROM findings ORDER BY time").iterate();
    for (const { finding } of rows) yield JSON.parse(String(finding)) as Finding;
  }

  close(): void {
    this.#database.close();
  }

  #inTransaction(write: () => void): void {
    this.#database.exec("BEGIN");
    write();
    this.#database.exec("COMMIT");
  }
}
