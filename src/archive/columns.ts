import type { SQLInputValue } from "node:sqlite";
import type { AnswerSummary } from "../bigquery/answer.ts";
import type { ExchangeCompleted, ExchangeDenied, ExchangeRequested } from "../recording/events.ts";

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

/** Where an exchange's first record stands in a journal, and in which block it is. */
export interface Place {
  readonly journal: string;
  readonly position: number;
  readonly block: number;
}

export const placeColumns: Columns<Place> = [
  ["journal", (place) => place.journal],
  ["position", (place) => place.position],
  ["first_block", (place) => place.block],
];

/** What a request says, and what was made out about it. */
export interface Asked {
  readonly event: ExchangeRequested;
  /** Ids of texts. */
  readonly sql: number | undefined;
  /** The exchange that began the statement that this one belongs to. */
  readonly statement: string | undefined;
}

export const requestedColumns: Columns<Asked> = [
  ["id", ({ event }) => event.exchange],
  ["session", ({ event }) => event.session],
  ["time", ({ event }) => event.time],
  ["user", ({ event }) => event.user],
  ["operation", ({ event }) => event.operation.name],
  ["project", ({ event }) => event.operation.project],
  ["dataset", ({ event }) => event.operation.dataset],
  ["table_name", ({ event }) => event.operation.table],
  ["sql_text", ({ sql }) => sql],
  ["sql_truncated", ({ event }) => event.operation.sqlTruncated],
  ["dry_run", ({ event }) => event.operation.dryRun],
  ["upload", ({ event }) => event.operation.upload],
  ["effect", ({ event }) => event.decision.effect],
  ["rule", ({ event }) => event.decision.rule],
  ["statement", ({ statement }) => statement],
];

/** An exchange that has begun is running until it ends, or until its gateway is known to be gone. */
export const runningColumns: Columns<undefined> = [["outcome", () => "running"]];

export type EndEvent = ExchangeCompleted | ExchangeDenied;

/** Of an exchange whose request is not in the archive: refused before it was read, or lost in a gap. */
export const endOnlyColumns: Columns<EndEvent> = [
  ["id", (event) => event.exchange],
  ["session", (event) => event.session],
  ["time", (event) => event.time],
  ["user", (event) => (event.type === "exchange.denied" ? event.refused?.user : undefined)],
  ["effect", (event) => (event.type === "exchange.denied" ? "deny" : undefined)],
  ["outcome", () => "running"],
];

/** An end, and the block that it is in. */
export interface Ended {
  readonly event: EndEvent;
  readonly block: number;
}

export const endColumns: Columns<Ended> = [
  ["outcome", ({ event }) => event.outcome],
  ["ended", ({ event }) => event.time],
  ["status", ({ event }) => event.status],
  ["grpc_status", ({ event }) => event.grpcStatus],
  ["answered_by", ({ event }) => event.answeredBy],
  ["error_code", ({ event }) => event.error?.code],
  ["request_bytes", ({ event }) => event.request.bytes],
  ["response_bytes", ({ event }) => event.response.bytes],
  ["last_block", ({ block }) => block],
];

/** What an answer tells, and the ids of its texts. */
export interface Answered {
  readonly answer: AnswerSummary | undefined;
  readonly message: number | undefined;
  readonly columns: number | undefined;
}

export const answerColumns: Columns<Answered> = [
  ["job_project", ({ answer }) => answer?.jobProject],
  ["query_id", ({ answer }) => answer?.queryId],
  ["answer_rows", ({ answer }) => answer?.rows],
  ["total_rows", ({ answer }) => answer?.totalRows],
  ["more_pages", ({ answer }) => answer?.pageToken],
  ["statement_type", ({ answer }) => answer?.statementType],
  ["bytes_processed", ({ answer }) => answer?.totalBytesProcessed],
  ["dml_rows", ({ answer }) => answer?.dmlAffectedRows],
  ["cache_hit", ({ answer }) => answer?.cacheHit],
  ["job_complete", ({ answer }) => answer?.jobComplete],
  ["answer_reason", ({ answer }) => answer?.error?.reason],
  ["answer_text", ({ message }) => message],
  ["columns_text", ({ columns }) => columns],
  ["result_table", ({ answer }) => answer?.resultTable],
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

/** What a statement came to, in the row of the exchange that began it: of that one at first. */
export const statementColumns: Columns<Ended & Answered> = [
  ["statement_exchanges", () => 1],
  ["statement_rows", ({ answer }) => answer?.rows ?? 0],
  ["statement_bytes", ({ event }) => event.response.bytes],
  ["statement_ended", ({ event }) => event.time],
];
