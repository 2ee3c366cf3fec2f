import { type Skimmed, skimAnswer } from "./answer-body.ts";

/** What BigQuery's answer to one request tells about the work done; every part is absent when the answer does not say. */
export interface AnswerSummary {
  readonly job?: string;
  readonly jobProject?: string;
  readonly location?: string;
  /** Of a query that ran without a job (`jobCreationMode: JOB_CREATION_OPTIONAL`). */
  readonly queryId?: string;
  /** Rows in this answer. */
  readonly rows?: number;
  /** Rows of the whole result. */
  readonly totalRows?: number;
  /** Whether there are more pages behind this one. */
  readonly pageToken?: boolean;
  /** `SELECT`, `INSERT`, `CREATE_TABLE` … */
  readonly statementType?: string;
  readonly totalBytesProcessed?: number;
  readonly dmlAffectedRows?: number;
  readonly cacheHit?: boolean;
  readonly jobComplete?: boolean;
  /** Names of the result's columns, those of records with dots, as many as {@link MAX_COLUMNS}. */
  readonly columns?: readonly string[];
  /** The anonymous table that holds the result: `project.dataset.table`. */
  readonly resultTable?: string;
  /** Why the request, or the job it asks about, failed. */
  readonly error?: { readonly reason: string; readonly message: string };
  /** Only the beginning of the answer was looked at, so the rest may be missing. */
  readonly truncated?: true;
}

/**
 * Reads what an answer tells. Pure; looks at 8 MiB of decoded body at most.
 *
 * @param operation as in `OperationSummary`: `jobs.query`, `tabledata.list` …
 * @param status the HTTP status.
 * @param contentEncoding the `Content-Encoding` header, if there is one.
 * @param body the response body as it passed, encoding and all.
 * @param whole false when `body` is only the beginning. Default true.
 * @returns undefined when the operation's answers tell nothing, or the body cannot be read. Never throws.
 */
export function summarizeAnswer(
  operation: string,
  status: number,
  contentEncoding: string | undefined,
  body: Uint8Array,
  whole = true,
): AnswerSummary | undefined {
  const failed = status >= 400;
  if (!failed && !/^(jobs|tabledata)\./.test(operation)) return undefined;
  const json = skimAnswer(contentEncoding, body, whole);
  if (json === undefined) return undefined;
  const answer = asObject(json.value);
  if (answer === undefined) return undefined;
  const summary = failed
    ? definedOnly({ error: errorOf(answer.error) })
    : operation === "jobs.list"
      ? {}
      : ofJob(asObject(answer.job) ?? answer, json);
  return json.truncated ? { ...summary, truncated: true } : summary;
}

/** Query answers, row pages and job resources say the same things in different places. */
function ofJob(answer: JsonObject, { rows, truncated }: Skimmed): AnswerSummary {
  const reference = asObject(answer.jobReference);
  const statistics = asObject(answer.statistics);
  const query = asObject(statistics?.query);
  const status = asObject(answer.status);
  const total = integer(answer.totalRows);
  const state = status?.state;
  return definedOnly({
    job: text(reference?.jobId),
    jobProject: text(reference?.projectId),
    location: text(reference?.location) ?? text(answer.location),
    queryId: text(answer.queryId),
    // An answer with no rows leaves the list out altogether.
    rows: rows ?? (total === undefined || truncated || "rows" in answer ? undefined : 0),
    totalRows: total,
    pageToken: typeof answer.pageToken === "string" ? answer.pageToken !== "" : undefined,
    statementType: text(answer.statementType) ?? text(query?.statementType),
    totalBytesProcessed:
      integer(answer.totalBytesProcessed) ??
      integer(query?.totalBytesProcessed) ??
      integer(statistics?.totalBytesProcessed),
    dmlAffectedRows: integer(answer.numDmlAffectedRows) ?? integer(query?.numDmlAffectedRows),
    cacheHit: truth(answer.cacheHit) ?? truth(query?.cacheHit),
    jobComplete: truth(answer.jobComplete) ?? (typeof state === "string" ? state === "DONE" : undefined),
    columns: columnsOf(asObject(answer.schema) ?? asObject(query?.schema)),
    resultTable: resultTableOf(answer),
    error: errorOf(status?.errorResult),
  });
}

/** Columns that are named at most; BigQuery has 10,000 in a table ("Quotas and limits"). */
const MAX_COLUMNS = 1_000;

function columnsOf(schema: JsonObject | undefined): readonly string[] | undefined {
  if (schema === undefined || !Array.isArray(schema.fields)) return undefined;
  const names: string[] = [];
  const visit = (fields: readonly unknown[], prefix: string): void => {
    for (const field of fields) {
      const column = asObject(field);
      if (typeof column?.name !== "string" || names.length >= MAX_COLUMNS) continue;
      names.push(prefix + column.name);
      if (Array.isArray(column.fields)) visit(column.fields, `${prefix}${column.name}.`);
    }
  };
  visit(schema.fields, "");
  return names.length === 0 ? undefined : names;
}

/** A dataset whose name begins so is BigQuery's own, for results ("Using cached query results"). */
const ANONYMOUS = "_";

function resultTableOf(answer: JsonObject): string | undefined {
  const query = asObject(asObject(answer.configuration)?.query);
  const { projectId, datasetId, tableId } = asObject(query?.destinationTable) ?? {};
  if (typeof datasetId !== "string" || !datasetId.startsWith(ANONYMOUS)) return undefined;
  return typeof projectId === "string" && typeof tableId === "string"
    ? `${projectId}.${datasetId}.${tableId}`
    : undefined;
}

/** Google's error: its first detail has BigQuery's reason; the envelope's own `status` stands in when there is none. */
function errorOf(value: unknown): AnswerSummary["error"] | undefined {
  if (typeof value === "string") return { reason: value, message: "" };
  const error = asObject(value);
  if (error === undefined) return undefined;
  const details = error.errors;
  const first = Array.isArray(details) ? asObject(details[0]) : undefined;
  return {
    reason: text(first?.reason) ?? text(error.reason) ?? text(error.status) ?? "unknown",
    message: text(error.message) ?? text(first?.message) ?? "",
  };
}

type JsonObject = Readonly<Record<string, unknown>>;

function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function truth(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

/** BigQuery writes 64-bit integers as strings. */
function integer(value: unknown): number | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const number = value === "" ? Number.NaN : Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

type Optional<T> = { -readonly [K in keyof T]?: T[K] | undefined };

function definedOnly(summary: Optional<AnswerSummary>): AnswerSummary {
  for (const key in summary) {
    if (summary[key as keyof AnswerSummary] === undefined) delete summary[key as keyof AnswerSummary];
  }
  return summary as AnswerSummary;
}
