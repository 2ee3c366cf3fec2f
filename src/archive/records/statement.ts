import type { Outcome } from "./exchange.ts";
import { definedOnly, flag, number, type Row, text } from "./row.ts";

/** A statement: what an exchange began, and all that others did for it, as one. Sizes in bytes, times as elsewhere. */
export interface ArchivedStatement {
  /** The exchange that began it. */
  readonly id: string;
  readonly session?: string;
  readonly time: number;
  /** When the last exchange of it ended. */
  readonly ended?: number;
  readonly user?: string;
  /** Of the exchange that began it. */
  readonly operation?: string;
  readonly project?: string;
  readonly dataset?: string;
  readonly table?: string;
  readonly location?: string;
  readonly sql?: string;
  readonly sqlTruncated?: boolean;
  readonly dryRun?: boolean;
  readonly effect?: string;
  readonly rule?: string;
  readonly outcome: Outcome;
  readonly status?: number;
  readonly error?: { readonly reason: string; readonly message: string };
  readonly job?: string;
  readonly jobProject?: string;
  readonly statementType?: string;
  /** Rows that were answered; of a result that is read twice, twice. */
  readonly rows?: number;
  /** Rows of the whole result. */
  readonly totalRows?: number;
  /** Of its answers' bodies. */
  readonly bytes?: number;
  readonly bytesProcessed?: number;
  readonly dmlAffectedRows?: number;
  readonly cacheHit?: boolean;
  readonly jobComplete?: boolean;
  readonly exchanges: number;
}

/** @param live whether a gateway runs: without one, what has not ended never will. */
export function toStatement(row: Row, live: boolean): ArchivedStatement {
  const outcome = text(row, "outcome") as Outcome;
  const reason = text(row, "answer_reason") ?? text(row, "error_code");
  return definedOnly({
    id: text(row, "id") ?? "",
    session: text(row, "session"),
    time: number(row, "time") ?? 0,
    ended: number(row, "statement_ended"),
    user: text(row, "user"),
    operation: text(row, "operation"),
    project: text(row, "project"),
    dataset: text(row, "dataset"),
    table: text(row, "table_name"),
    location: text(row, "location"),
    sql: text(row, "sql"),
    sqlTruncated: flag(row, "sql_truncated"),
    dryRun: flag(row, "dry_run"),
    effect: text(row, "effect"),
    rule: text(row, "rule"),
    outcome: outcome === "running" && !live ? "incomplete" : outcome,
    status: number(row, "status"),
    error: reason === undefined ? undefined : { reason, message: text(row, "answer_message") ?? "" },
    job: text(row, "job"),
    jobProject: text(row, "job_project"),
    statementType: text(row, "statement_type"),
    rows: number(row, "statement_rows"),
    totalRows: number(row, "total_rows"),
    bytes: number(row, "statement_bytes"),
    bytesProcessed: number(row, "bytes_processed"),
    dmlAffectedRows: number(row, "dml_rows"),
    cacheHit: flag(row, "cache_hit"),
    jobComplete: flag(row, "job_complete"),
    exchanges: number(row, "statement_exchanges") ?? 1,
  });
}
