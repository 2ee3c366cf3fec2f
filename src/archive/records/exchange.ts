import type { ExchangeRequested, HeaderList, Phases, Source } from "../../recording/events.ts";
import type { EndEvent } from "../columns.ts";
import { definedOnly, flag, number, type Row, text } from "./row.ts";

/**
 * - `running`: has not ended yet;
 * - `complete`: the agent got a whole answer, whatever its status;
 * - `aborted`: it did not;
 * - `denied`: refused by the gateway;
 * - `incomplete`: the gateway ended before the exchange did.
 */
export type Outcome = "running" | "complete" | "aborted" | "denied" | "incomplete";

export interface ArchivedBody {
  readonly bytes: number;
  /** Hexadecimal SHA-256; absent of a blind tunnel's bytes. */
  readonly sha256?: string;
  readonly chunks: number;
}

/** An exchange as the archive knows it. What is absent was not said, or is not known. */
export interface ArchivedExchange {
  readonly id: string;
  readonly session?: string;
  readonly time: number;
  readonly ended?: number;
  readonly user?: string;
  readonly source?: Source;
  readonly method?: string;
  readonly authority?: string;
  readonly target?: string;
  readonly httpVersion?: string;
  readonly requestHeaders: HeaderList;
  readonly operation?: string;
  readonly project?: string;
  readonly dataset?: string;
  readonly table?: string;
  readonly location?: string;
  readonly sql?: string;
  readonly sqlTruncated?: boolean;
  readonly dryRun?: boolean;
  /** Of a Storage API read: absent when it reads all. */
  readonly columns?: readonly string[];
  /** The Storage API's read or write stream, by its full name. */
  readonly stream?: string;
  /** Which step of an upload it is: `media`, `multipart`, or `start`, `chunk` or `cancel` of a resumable one. */
  readonly upload?: string;
  readonly effect?: string;
  readonly rule?: string;
  readonly reason?: string;
  readonly outcome: Outcome;
  /** HTTP status sent to the agent; 0 when none was. */
  readonly status?: number;
  /** google.rpc.Code. */
  readonly grpcStatus?: number;
  readonly answeredBy?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly request?: ArchivedBody;
  readonly response?: ArchivedBody;
  readonly responseHeaders: HeaderList;
  readonly phases: Phases;
  readonly credential?: string;
  readonly job?: string;
  readonly jobProject?: string;
  readonly queryId?: string;
  /** Rows in this answer. */
  readonly rows?: number;
  readonly totalRows?: number;
  readonly morePages?: boolean;
  readonly statementType?: string;
  readonly bytesProcessed?: number;
  readonly dmlAffectedRows?: number;
  readonly cacheHit?: boolean;
  readonly jobComplete?: boolean;
  /** BigQuery's own, or the failed job's. */
  readonly answerError?: { readonly reason: string; readonly message: string };
  /** The exchange that began the statement that this one belongs to; its own id when it began one. */
  readonly statement?: string;
}

/** What was recorded of an exchange's beginning and end, as far as it can be read. */
export interface ExchangeEvents {
  readonly requested?: ExchangeRequested;
  readonly end?: EndEvent;
}

/**
 * @param events absent parts were lost, or forgotten.
 * @param live whether a gateway runs: without one, what has not ended never will.
 */
export function toExchange(row: Row, { requested, end }: ExchangeEvents, live: boolean): ArchivedExchange {
  const outcome = text(row, "outcome") as Outcome;
  const reason = text(row, "answer_reason");
  const refused = end?.type === "exchange.denied" ? end.refused : undefined;
  const { operation } = requested ?? {};
  const { method, authority, target, httpVersion, headers = [] } = (requested ?? refused)?.request ?? {};
  return definedOnly({
    id: text(row, "id") ?? "",
    session: text(row, "session"),
    time: number(row, "time") ?? 0,
    ended: number(row, "ended"),
    user: text(row, "user"),
    source: (requested ?? refused)?.source,
    method,
    authority,
    target,
    httpVersion,
    requestHeaders: headers,
    operation: text(row, "operation"),
    project: text(row, "project"),
    dataset: text(row, "dataset"),
    table: text(row, "table_name"),
    location: text(row, "location"),
    sql: text(row, "sql"),
    sqlTruncated: flag(row, "sql_truncated"),
    dryRun: flag(row, "dry_run"),
    columns: operation?.columns,
    stream: operation?.stream,
    upload: text(row, "upload"),
    effect: text(row, "effect"),
    rule: text(row, "rule"),
    reason: requested?.decision.reason,
    outcome: outcome === "running" && !live ? "incomplete" : outcome,
    status: number(row, "status"),
    grpcStatus: number(row, "grpc_status"),
    answeredBy: text(row, "answered_by"),
    error: end?.error ?? errorOf(row),
    request: end?.request ?? body(row, "request"),
    response: summaryOf(end) ?? body(row, "response"),
    responseHeaders: end?.response.headers ?? [],
    phases: end?.phases ?? {},
    credential: end?.credential,
    job: text(row, "job"),
    jobProject: text(row, "job_project"),
    queryId: text(row, "query_id"),
    rows: number(row, "answer_rows"),
    totalRows: number(row, "total_rows"),
    morePages: flag(row, "more_pages"),
    statementType: text(row, "statement_type"),
    bytesProcessed: number(row, "bytes_processed"),
    dmlAffectedRows: number(row, "dml_rows"),
    cacheHit: flag(row, "cache_hit"),
    jobComplete: flag(row, "job_complete"),
    answerError: reason === undefined ? undefined : { reason, message: text(row, "answer_message") ?? "" },
    statement: text(row, "statement"),
  });
}

function errorOf(row: Row): ArchivedExchange["error"] {
  const code = text(row, "error_code");
  return code === undefined ? undefined : { code, message: "" };
}

function summaryOf(end: EndEvent | undefined): ArchivedBody | undefined {
  if (end === undefined) return undefined;
  const { bytes, sha256, chunks } = end.response;
  return { bytes, ...(sha256 !== undefined && { sha256 }), chunks };
}

function body(row: Row, side: "request" | "response"): ArchivedBody | undefined {
  const bytes = number(row, `${side}_bytes`);
  return bytes === undefined ? undefined : { bytes, chunks: 0 };
}
