import type { DatabaseSync, StatementSync } from "node:sqlite";

/** A job by which BigQuery knows it. Ids are unique within a project and a location. */
export interface JobName {
  readonly project: string;
  readonly job: string;
  /** `EU`, `us-east1` …; absent where the recording does not say. */
  readonly location?: string | undefined;
}

/** A job that was asked for through a gateway. */
export interface RecordedJob extends JobName {
  /** Milliseconds since the Unix epoch, when it was asked for. */
  readonly time: number;
  readonly exchange: string;
  readonly session?: string | undefined;
  readonly user?: string | undefined;
}

/** A request that makes a job, of which no answer that was recorded tells the job's id. */
export interface NamelessRequest {
  readonly exchange: string;
  readonly project: string;
  /** The beginning of its SQL, as {@link sqlKey}; empty when it has none. */
  readonly sql: string;
  /** Whether it uploads what a load job takes: it made no job of another type. */
  readonly loads: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  /** Absent of one that has not ended, or whose gateway ended first. */
  readonly ended?: number | undefined;
  /** Whether the job that it made failed, where its answer tells. */
  readonly failed?: boolean | undefined;
}

/** How a job ended, as the last answer that was recorded of it has it. */
export type RecordedEnd = "done" | { readonly failed: string };

/** Characters by which statements are compared: recordings may have cut the rest, from 1,024 bytes on in topics. */
const SQL_KEY = 1_000;

export function sqlKey(sql: string | undefined): string {
  return (sql ?? "").slice(0, SQL_KEY).toWellFormed();
}

/**
 * What may have made a job: it was passed on, and not for a dry run. BigQuery's refusal of a request that names a job itself
 * means that this request made none (409: there is one of this id already, whoever made it).
 */
const MAKES_JOB =
  "operation IN ('jobs.query', 'jobs.insert') AND dry_run IS NOT 1 AND outcome <> 'denied' AND effect IS NOT 'deny'";
const NAMED_AND_TAKEN = "job IS NOT NULL AND (status IS NULL OR status NOT BETWEEN 400 AND 499)";
const PROJECT = "coalesce(job_project, project)";

/** Asks an archive which jobs were recorded. */
export class RecordedJobs {
  readonly #database: DatabaseSync;
  readonly #made: StatementSync;
  readonly #end: StatementSync;

  /** @param database an archive, open to read. */
  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#made = database.prepare(
      `SELECT 1 FROM exchanges WHERE job = ?1 AND ${PROJECT} = ?2 AND (location IS NULL OR ?3 IS NULL OR location = ?3 COLLATE NOCASE)
       AND ${MAKES_JOB} AND ${NAMED_AND_TAKEN} LIMIT 1`,
    );
    this.#end = database.prepare(
      `SELECT answer_reason FROM exchanges WHERE job = ?1 AND ${PROJECT} = ?2 AND job_complete = 1
       AND (location IS NULL OR ?3 IS NULL OR location = ?3 COLLATE NOCASE) ORDER BY time DESC LIMIT 1`,
    );
  }

  /** Whether the request that made the job was recorded. To have read it through a gateway is not enough. */
  made({ project, job, location }: JobName): boolean {
    return this.#made.get(job, project, location ?? null) !== undefined;
  }

  /** Undefined when no answer tells that the job has ended. */
  end({ project, job, location }: JobName): RecordedEnd | undefined {
    const row = this.#end.get(job, project, location ?? null);
    if (row === undefined) return undefined;
    return typeof row.answer_reason === "string" ? { failed: row.answer_reason } : "done";
  }

  // Each of these began a statement, which is what the archive's index of times has.

  /** Every job that BigQuery was asked for in a time, and said that it has taken; both ends included, in no order. */
  *jobs(project: string, since: number, until: number): Generator<RecordedJob> {
    const rows = this.#database
      .prepare(
        `SELECT id, job, location, time, session, user FROM exchanges
         WHERE statement = id AND time BETWEEN ? AND ? AND ${PROJECT} = ? AND ${MAKES_JOB}
         AND job IS NOT NULL AND status BETWEEN 200 AND 299 AND upload IS NOT 'start'`,
      )
      .iterate(since, until, project);
    for (const { id, job, location, time, session, user } of rows) {
      yield {
        project,
        job: String(job),
        location: textOf(location),
        time: Number(time),
        exchange: String(id),
        session: textOf(session),
        user: textOf(user),
      };
    }
  }

  /**
   * Requests in a time whose jobs are not known by name: BigQuery names none when `jobs.query` fails, and of others the
   * answer was lost. Of a resumable upload only the last piece makes a job.
   */
  *nameless(project: string, since: number, until: number): Generator<NamelessRequest> {
    const rows = this.#database
      .prepare(
        `SELECT x.id, t.text AS sql, time, ended, outcome, status, upload FROM exchanges x LEFT JOIN texts t ON t.id = x.sql_text
         WHERE statement = x.id AND time BETWEEN ? AND ? AND project = ? AND job IS NULL AND ${MAKES_JOB}
         AND upload IS NOT 'start' AND upload IS NOT 'cancel' AND status IS NOT 308`,
      )
      .iterate(since, until, project);
    for (const { id, sql, time, ended, outcome, status, upload } of rows) {
      yield {
        exchange: String(id),
        project,
        sql: sqlKey(textOf(sql)),
        loads: upload !== null,
        time: Number(time),
        ended: ended === null ? undefined : Number(ended),
        failed: outcome === "complete" ? Number(status) >= 400 : undefined,
      };
    }
  }

  /** When the oldest session in the archive began; undefined when there is none. */
  oldest(): number | undefined {
    const time = this.#database.prepare("SELECT min(started) AS time FROM sessions").get()?.time;
    return typeof time === "number" ? time : undefined;
  }

  /** Parts of journals that could not be read. */
  gaps(): number {
    return Number(this.#database.prepare("SELECT count(*) AS n FROM gaps").get()?.n ?? 0);
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
