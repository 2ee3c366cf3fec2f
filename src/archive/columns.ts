import type { SQLInputValue } from "node:sqlite";
import type { AnswerSummary } from "../bigquery/answer.ts";
import type {
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  RequestHead,
  Source,
} from "../recording/events.ts";

/** Columns and where their values come from, in one place so that they cannot drift apart. */
export type Columns<T> = readonly (readonly [column: string, value: (from: T) => Value])[];
type Value = SQLInputValue | boolean | undefined;

export function namesOf<T>(columns: Columns<T>): string[] {
  return columns.map(([name]) => name);
}

/** Appends the values, in the columns' order. */
export function pushValues<T>(into: SQLInputValue[], columns: Columns<T>, from: T): void {
  for (const [, value] of columns) {
    const found = value(from);
    into.push(found === undefined ? null : typeof found === "boolean" ? Number(found) : found);
  }
}

/** Where an exchange's first record stands in a journal. */
export interface Place {
  readonly journal: string;
  readonly position: number;
}

export const placeColumns: Columns<Place> = [
  ["journal", (place) => place.journal],
  ["position", (place) => place.position],
];

/** Who asked what, as far as it could be read. */
export interface Asked {
  readonly user?: string;
  readonly source: Source;
  readonly request: RequestHead;
}

export const askedColumns: Columns<Asked> = [
  ["user", (asked) => asked.user],
  ["source_address", (asked) => asked.source.address],
  ["source_port", (asked) => asked.source.port],
  ["method", (asked) => asked.request.method],
  ["authority", (asked) => asked.request.authority],
  ["target", (asked) => asked.request.target],
  ["http_version", (asked) => asked.request.httpVersion],
  ["request_headers", (asked) => JSON.stringify(asked.request.headers)],
];

export const requestedColumns: Columns<ExchangeRequested> = [
  ["id", (event) => event.exchange],
  ["session", (event) => event.session],
  ["time", (event) => event.time],
  ["operation", (event) => event.operation.name],
  ["project", (event) => event.operation.project],
  ["dataset", (event) => event.operation.dataset],
  ["table_name", (event) => event.operation.table],
  ["sql", (event) => event.operation.sql],
  ["sql_truncated", (event) => event.operation.sqlTruncated],
  ["dry_run", (event) => event.operation.dryRun],
  ["read_columns", ({ operation }) => operation.columns && JSON.stringify(operation.columns)],
  ["stream", (event) => event.operation.stream],
  ["upload", (event) => event.operation.upload],
  ["effect", (event) => event.decision.effect],
  ["rule", (event) => event.decision.rule],
  ["reason", (event) => event.decision.reason],
];

/** An exchange that has begun is running until it ends, or until its gateway is known to be gone. */
export const runningColumns: Columns<undefined> = [["outcome", () => "running"]];

/** Of an exchange whose request is not in the archive: refused before it was read, or lost in a gap. */
export const endOnlyColumns: Columns<ExchangeCompleted | ExchangeDenied> = [
  ["id", (event) => event.exchange],
  ["session", (event) => event.session],
  ["time", (event) => event.time],
  ["effect", (event) => (event.type === "exchange.denied" ? "deny" : undefined)],
  ["outcome", (event) => event.outcome],
];

export const endColumns: Columns<ExchangeCompleted | ExchangeDenied> = [
  ["outcome", (event) => event.outcome],
  ["ended", (event) => event.time],
  ["status", (event) => event.status],
  ["grpc_status", (event) => event.grpcStatus],
  ["answered_by", (event) => event.answeredBy],
  ["error_code", (event) => event.error?.code],
  ["error_message", (event) => event.error?.message],
  ["request_bytes", (event) => event.request.bytes],
  ["request_sha256", (event) => event.request.sha256],
  ["request_chunks", (event) => event.request.chunks],
  ["response_bytes", (event) => event.response.bytes],
  ["response_sha256", (event) => event.response.sha256],
  ["response_chunks", (event) => event.response.chunks],
  ["response_headers", (event) => JSON.stringify(event.response.headers)],
  ["phases", (event) => JSON.stringify(event.phases)],
  ["credential", (event) => event.credential],
];

export const answerColumns: Columns<AnswerSummary | undefined> = [
  ["job_project", (answer) => answer?.jobProject],
  ["query_id", (answer) => answer?.queryId],
  ["answer_rows", (answer) => answer?.rows],
  ["total_rows", (answer) => answer?.totalRows],
  ["more_pages", (answer) => answer?.pageToken],
  ["statement_type", (answer) => answer?.statementType],
  ["bytes_processed", (answer) => answer?.totalBytesProcessed],
  ["dml_rows", (answer) => answer?.dmlAffectedRows],
  ["cache_hit", (answer) => answer?.cacheHit],
  ["job_complete", (answer) => answer?.jobComplete],
  ["answer_reason", (answer) => answer?.error?.reason],
  ["answer_message", (answer) => answer?.error?.message],
];

/** What the request may have named, and the answer confirms or tells first. */
export interface Confirmed {
  readonly job?: string | undefined;
  readonly location?: string | undefined;
}

export const confirmedColumns: Columns<Confirmed> = [
  ["job", (from) => from.job],
  ["location", (from) => from.location],
];
