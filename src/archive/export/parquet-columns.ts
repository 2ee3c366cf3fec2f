import type { HeaderList } from "../../recording/events.ts";
import { PHASES } from "../../recording/phases.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { ArchivedSession } from "../records/session.ts";

/** A column of the Parquet file. */
export interface ParquetColumn {
  readonly name: string;
  /** As DuckDB names it. */
  readonly type: string;
  /** The value as JSON; undefined becomes NULL. */
  readonly of: (exchange: ArchivedExchange, session: ArchivedSession | undefined) => unknown;
}

/** An exchange's row as JSON. */
export function rowOf(exchange: ArchivedExchange, session: ArchivedSession | undefined): string {
  const row = Object.fromEntries(COLUMNS.map(({ name, of }) => [name, of(exchange, session)]));
  // Parquet's strings are UTF-8, which has no lone surrogates.
  return JSON.stringify(row, (_name, value) => (typeof value === "string" ? value.toWellFormed() : value));
}

const HEADERS_TYPE = "STRUCT(name VARCHAR, value VARCHAR)[]";
/** Milliseconds. */
const PHASES_TYPE = `STRUCT(${PHASES.map((name) => `"${name}" DOUBLE`).join(", ")})`;

/** What is absent was not said, or is not known: NULL. Sizes are bytes, as they passed. */
export const COLUMNS: readonly ParquetColumn[] = [
  text("exchange", ({ id }) => id),
  text("session", ({ session }) => session),
  time("time", (exchange) => exchange.time),
  time("ended", ({ ended }) => ended),
  text("user", ({ user }, session) => user ?? session?.user),
  text("subject", (_, session) => session?.subject),
  texts("groups", (_, session) => session?.groups),
  text("agent", (_, session) => session?.agent),
  text("purpose", (_, session) => session?.purpose),
  text("source_address", ({ source }) => source?.address),
  whole("source_port", ({ source }) => source?.port),
  text("operation", ({ operation }) => operation),
  text("project", ({ project }) => project),
  text("dataset", ({ dataset }) => dataset),
  text("table", ({ table }) => table),
  texts("columns", ({ columns }) => columns),
  text("location", ({ location }) => location),
  text("sql", ({ sql }) => sql),
  flag("sql_truncated", ({ sqlTruncated }) => sqlTruncated),
  flag("dry_run", ({ dryRun }) => dryRun),
  text("statement_type", ({ statementType }) => statementType),
  text("job_project", ({ jobProject }) => jobProject),
  text("job", ({ job }) => job),
  text("query_id", ({ queryId }) => queryId),
  text("stream", ({ stream }) => stream),
  text("upload", ({ upload }) => upload),
  text("effect", ({ effect }) => effect),
  text("rule", ({ rule }) => rule),
  text("reason", ({ reason }) => reason),
  text("outcome", ({ outcome }) => outcome),
  whole("status", ({ status }) => status),
  whole("grpc_status", ({ grpcStatus }) => grpcStatus),
  text("answered_by", ({ answeredBy }) => answeredBy),
  text("error_code", ({ error }) => error?.code),
  text("error_message", ({ error }) => error?.message),
  text("answer_error_reason", ({ answerError }) => answerError?.reason),
  text("answer_error_message", ({ answerError }) => answerError?.message),
  whole("rows", ({ rows }) => rows),
  whole("total_rows", ({ totalRows }) => totalRows),
  flag("more_pages", ({ morePages }) => morePages),
  flag("job_complete", ({ jobComplete }) => jobComplete),
  flag("cache_hit", ({ cacheHit }) => cacheHit),
  whole("bytes_processed", ({ bytesProcessed }) => bytesProcessed),
  whole("dml_affected_rows", ({ dmlAffectedRows }) => dmlAffectedRows),
  text("credential", ({ credential }) => credential),
  text("method", ({ method }) => method),
  text("authority", ({ authority }) => authority),
  text("target", ({ target }) => target),
  text("http_version", ({ httpVersion }) => httpVersion),
  headers("request_headers", ({ requestHeaders }) => requestHeaders),
  whole("request_bytes", ({ request }) => request?.bytes),
  text("request_sha256", ({ request }) => request?.sha256),
  flag("request_withheld", ({ request }) => request && request.bytes > 0 && request.chunks === 0),
  headers("response_headers", ({ responseHeaders }) => responseHeaders),
  whole("response_bytes", ({ response }) => response?.bytes),
  text("response_sha256", ({ response }) => response?.sha256),
  flag("response_withheld", ({ response }) => response && response.bytes > 0 && response.chunks === 0),
  { name: "phases", type: PHASES_TYPE, of: ({ phases }) => phases },
];

type Of<T> = (exchange: ArchivedExchange, session: ArchivedSession | undefined) => T | undefined;

function text(name: string, of: Of<string>): ParquetColumn {
  return { name, type: "VARCHAR", of };
}

function texts(name: string, of: Of<readonly string[]>): ParquetColumn {
  return { name, type: "VARCHAR[]", of };
}

function flag(name: string, of: Of<boolean>): ParquetColumn {
  return { name, type: "BOOLEAN", of };
}

function headers(name: string, of: Of<HeaderList>): ParquetColumn {
  const objects: Of<object> = (exchange, session) =>
    of(exchange, session)?.map(([name, value]) => ({ name, value }));
  return { name, type: HEADERS_TYPE, of: objects };
}

function whole(name: string, of: Of<number>): ParquetColumn {
  const safe: Of<number> = (exchange, session) => {
    const value = of(exchange, session);
    return Number.isSafeInteger(value) ? value : undefined;
  };
  return { name, type: "BIGINT", of: safe };
}

/** Milliseconds since the Unix epoch as ISO 8601 to the microsecond. */
function time(name: string, of: Of<number>): ParquetColumn {
  const iso: Of<string> = (exchange, session) => {
    const value = of(exchange, session);
    if (value === undefined || !(Math.abs(value) <= LAST_TIME)) return undefined;
    const micros = Math.round((value - Math.floor(value)) * 1000);
    const [whole, rest] = micros === 1000 ? [Math.floor(value) + 1, 0] : [Math.floor(value), micros];
    return new Date(whole).toISOString().replace("Z", `${String(rest).padStart(3, "0")}Z`);
  };
  return { name, type: "TIMESTAMPTZ", of: iso };
}

/** 9999-12-31T23:59:59Z: years beyond have more than four digits. */
const LAST_TIME = 253_402_300_799_000;
