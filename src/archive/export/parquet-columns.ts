import { DuckDBTimestampTZValue, type DuckDBValue, listValue, structValue } from "@duckdb/node-api";
import type { HeaderList, Phase } from "../../recording/events.ts";
import type { ArchivedExchange, ArchivedSession } from "../records.ts";

/** A column of the Parquet file. */
export interface ParquetColumn {
  readonly name: string;
  /** As DuckDB names it. */
  readonly type: string;
  readonly of: (exchange: ArchivedExchange, session: ArchivedSession | undefined) => DuckDBValue;
}

/** An exchange's row. */
export function rowOf(exchange: ArchivedExchange, session: ArchivedSession | undefined): DuckDBValue[] {
  return COLUMNS.map(({ of }) => of(exchange, session));
}

const PHASES: readonly Phase[] = [
  "receive",
  "decide",
  "commit",
  "credential",
  "upstreamFirstByte",
  "upstream",
  "release",
  "total",
];
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
  {
    name: "phases",
    type: PHASES_TYPE,
    of: ({ phases }) => structValue(Object.fromEntries(PHASES.map((name) => [name, phases[name] ?? null]))),
  },
];

type Of<T> = (exchange: ArchivedExchange, session: ArchivedSession | undefined) => T | undefined;

function text(name: string, of: Of<string>): ParquetColumn {
  return { name, type: "VARCHAR", of: (exchange, session) => of(exchange, session) ?? null };
}

function texts(name: string, of: Of<readonly string[]>): ParquetColumn {
  return {
    name,
    type: "VARCHAR[]",
    of(exchange, session) {
      const list = of(exchange, session);
      return list === undefined ? null : listValue([...list]);
    },
  };
}

function flag(name: string, of: Of<boolean>): ParquetColumn {
  return { name, type: "BOOLEAN", of: (exchange, session) => of(exchange, session) ?? null };
}

function whole(name: string, of: Of<number>): ParquetColumn {
  return {
    name,
    type: "BIGINT",
    of(exchange, session) {
      const value = of(exchange, session);
      return value === undefined || !Number.isSafeInteger(value) ? null : BigInt(value);
    },
  };
}

function time(name: string, of: Of<number>): ParquetColumn {
  return {
    name,
    type: "TIMESTAMPTZ",
    of(exchange, session) {
      const milliseconds = of(exchange, session);
      if (milliseconds === undefined || !Number.isFinite(milliseconds)) return null;
      return new DuckDBTimestampTZValue(BigInt(Math.round(milliseconds * 1000)));
    },
  };
}

function headers(name: string, of: Of<HeaderList>): ParquetColumn {
  return {
    name,
    type: HEADERS_TYPE,
    of: (exchange, session) =>
      listValue(
        (of(exchange, session) ?? []).map(([name, value]) => structValue({ name: name, value: value })),
      ),
  };
}
