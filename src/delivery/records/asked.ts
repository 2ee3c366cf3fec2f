import { hash } from "node:crypto";
import type {
  DecisionSummary,
  ExchangeDenied,
  ExchangeRequested,
  OperationSummary,
  RequestHead,
  Source,
} from "../../recording/events.ts";
import { soundEncoding } from "./body-records.ts";
import { cutList, cutText, jsonLength, short } from "./text.ts";

/** Bytes, as JSON, that parts of an event take at most; together they stay below the 32 KiB of a whole event. */
export const BOUNDS = {
  sql: 12 * 1024,
  /** Of an exchange that runs for long, which is remembered apart from the journal. */
  oldSql: 1024,
  /** Names of projects, users, rules … */
  name: 256,
  /** BigQuery's datasets and tables have names of up to 1,024 bytes. */
  resource: 1024,
  /** A request target's path, and its query. */
  target: 1536,
  /** Words for people: reasons, error messages. */
  words: 768,
  columns: 2048,
} as const;

/** A statement as an event has it. */
export interface Statement {
  readonly text: string;
  /** Bytes of UTF-8 and hexadecimal SHA-256 of the whole, when `text` is not the whole and they are known. */
  readonly whole?: { readonly bytes: number; readonly sha256: string };
  readonly cut?: true;
}

/**
 * What was asked, as events tell it: bounded and fit for JSON, since it is remembered until the exchange ends, and written
 * into checkpoints.
 */
export interface Asked {
  readonly time: number;
  readonly user?: string;
  readonly source: Source;
  readonly request: Omit<RequestHead, "headers" | "target"> & {
    readonly path: string;
    readonly query?: string;
    readonly userAgent?: string;
    readonly contentEncoding?: string;
    readonly contentLength?: number;
    readonly headerCount: number;
  };
  /** Absent when the request was refused before it was described. */
  readonly operation?: Omit<OperationSummary, "sql" | "sqlTruncated" | "sqlBytes" | "sqlSha256">;
  readonly statement?: Statement;
  readonly decision?: DecisionSummary;
  /** Something else than the statement was cut. */
  readonly cut?: true;
}

export function askedOf({ time, user, source, request, operation, decision }: ExchangeRequested): Asked {
  const head = headOf(request);
  const { sql, sqlTruncated, sqlBytes, sqlSha256, columns, ...names } = operation;
  const kept = columns === undefined ? undefined : keepColumns(columns);
  const bounded = boundNames(names);
  const { effect, rule, reason } = decision;
  return {
    time,
    user: short(user, BOUNDS.name),
    source,
    request: head.request,
    operation: {
      ...bounded,
      ...(kept !== undefined && { columns: kept }),
      ...(kept !== undefined && kept.length !== columns?.length && { columnsTruncated: true as const }),
    },
    ...(sql !== undefined && { statement: statementOf(sql, sqlTruncated, sqlBytes, sqlSha256) }),
    decision: { effect, rule: short(rule, BOUNDS.name), reason: short(reason, BOUNDS.words) },
    ...(head.cut && { cut: true as const }),
  };
}

/** Of a request that was refused before it was recorded as one. */
export function askedOfRefused(time: number, refused: NonNullable<ExchangeDenied["refused"]>): Asked {
  const { user, source } = refused;
  const { request, cut } = headOf(refused.request);
  return {
    time,
    ...(user !== undefined && { user: short(user, BOUNDS.name) }),
    source,
    request,
    ...(cut && { cut: true as const }),
  };
}

/** What is remembered of a request whose exchange runs for long. */
export function grownOld(asked: Asked): Asked {
  const { statement } = asked;
  const bounded = { ...asked, ...(statement !== undefined && { statement: shortened(statement) }) };
  // Anew: a string that was cut from another keeps that one alive.
  return JSON.parse(JSON.stringify(bounded)) as Asked;
}

function shortened(statement: Statement): Statement {
  const { text, cut } = cutText(statement.text, BOUNDS.oldSql);
  if (!cut) return statement;
  const whole = statement.whole ?? (statement.cut === undefined ? measure(statement.text) : undefined);
  return { text, cut: true, ...(whole !== undefined && { whole }) };
}

function statementOf(sql: string, truncated?: true, bytes?: number, sha256?: string): Statement {
  const { text, cut } = cutText(sql, BOUNDS.sql);
  if (!cut && truncated === undefined) return { text };
  if (truncated === undefined) return { text, cut: true, whole: measure(sql) };
  const known = bytes !== undefined && sha256 !== undefined;
  return { text, cut: true, ...(known && { whole: { bytes, sha256 } }) };
}

function measure(sql: string): { bytes: number; sha256: string } {
  return { bytes: Buffer.byteLength(sql), sha256: hash("sha256", sql, "hex") };
}

function headOf({ method, authority, target, httpVersion, headers }: RequestHead): {
  readonly request: Asked["request"];
  readonly cut: boolean;
} {
  const at = target.indexOf("?");
  const path = cutText(at < 0 ? target : target.slice(0, at), BOUNDS.target);
  const query = at < 0 ? undefined : cutText(target.slice(at + 1), BOUNDS.target);
  let userAgent: string | undefined;
  let contentEncoding: string | undefined;
  let contentLength: number | undefined;
  for (const [name, value] of headers) {
    // By length first: most names are of other lengths, and need no copy in lower case.
    if (name.length === 10 && name.toLowerCase() === "user-agent") userAgent = short(value, BOUNDS.name);
    else if (name.length === 16 && name.toLowerCase() === "content-encoding")
      contentEncoding = soundEncoding(value);
    else if (name.length === 14 && name.toLowerCase() === "content-length" && /^\d{1,15}$/.test(value)) {
      contentLength = Number(value);
    }
  }
  return {
    request: {
      method: short(method, 64),
      authority: short(authority, BOUNDS.name),
      path: path.text,
      ...(query !== undefined && { query: query.text }),
      httpVersion: short(httpVersion, 16),
      ...(userAgent !== undefined && { userAgent }),
      ...(contentEncoding !== undefined && { contentEncoding }),
      ...(contentLength !== undefined && { contentLength }),
      headerCount: headers.length,
    },
    cut: path.cut || query?.cut === true,
  };
}

type Names = Omit<OperationSummary, "sql" | "sqlTruncated" | "sqlBytes" | "sqlSha256" | "columns">;

function boundNames(operation: Names): Names {
  const {
    name,
    project,
    dataset,
    table,
    job,
    location,
    stream,
    billingProject,
    dryRun,
    upload,
    columnsTruncated,
  } = operation;
  return {
    name: short(name, BOUNDS.name),
    ...(project !== undefined && { project: short(project, BOUNDS.name) }),
    ...(dataset !== undefined && { dataset: short(dataset, BOUNDS.resource) }),
    ...(table !== undefined && { table: short(table, BOUNDS.resource) }),
    ...(job !== undefined && { job: short(job, BOUNDS.resource) }),
    ...(location !== undefined && { location: short(location, BOUNDS.name) }),
    ...(stream !== undefined && { stream: short(stream, BOUNDS.resource) }),
    ...(billingProject !== undefined && { billingProject: short(billingProject, BOUNDS.name) }),
    ...(dryRun !== undefined && { dryRun }),
    ...(upload !== undefined && { upload: short(upload, 16) as typeof upload }),
    ...(columnsTruncated !== undefined && { columnsTruncated }),
  };
}

const MAX_COLUMNS = 256;

function keepColumns(columns: readonly string[]): string[] {
  return cutList(
    columns.slice(0, MAX_COLUMNS).map((name) => short(name, BOUNDS.name)),
    MAX_COLUMNS,
    BOUNDS.columns,
    (name) => jsonLength(name) + 1,
  );
}
