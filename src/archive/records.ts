import type { SQLOutputValue } from "node:sqlite";
import type { ExchangeRequested, HeaderList, Phases, Source } from "../recording/events.ts";
import type { EndEvent } from "./columns.ts";

/** In place of a session's id: of what was refused before there was one, and of the gateway itself. */
export const NO_SESSION = "none";

/** A session as the archive knows it; sizes in bytes, times in milliseconds since the Unix epoch. */
export interface ArchivedSession {
  readonly id: string;
  readonly user: string;
  /** Absent when only the session's exchanges, not its beginning, are in the archive; likewise `groups`. */
  readonly subject?: string;
  readonly groups: readonly string[];
  readonly source: Source;
  readonly userAgent?: string;
  /** Who says who the user is: an OpenID provider. */
  readonly issuer?: string;
  /** What the agent is called, and what it is for, by whoever opened the session. */
  readonly agent?: string;
  readonly purpose?: string;
  /** The session's hard end. */
  readonly expires?: number;
  /** When the user proved anew who they are, last; groups are as of then. */
  readonly renewed?: number;
  /** How it was over before its hard end, or at it. */
  readonly over?: {
    readonly how: "ended" | "revoked";
    readonly at: number;
    readonly because: string;
    /** Who revoked it. */
    readonly by?: string;
  };
  /** Under legal hold: neither retired nor forgotten. */
  readonly held?: Order;
  /** What it quoted is gone: bodies, SQL, errors, column names. */
  readonly forgotten?: Order;
  /** Whether bodies and SQL are gone as their time was up. */
  readonly bodiesRetired?: boolean;
  readonly started: number;
  readonly lastActivity: number;
  readonly exchanges: number;
  readonly statements: number;
  readonly denied: number;
  /** Cut short by the end of a gateway. */
  readonly incomplete: number;
  /** Of request and response bodies. */
  readonly bytes: number;
}

/** What somebody had done to a session; milliseconds since the Unix epoch. */
export interface Order {
  readonly at: number;
  readonly by: string;
  readonly because: string;
}

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

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** @param live whether a gateway runs: without one, what has not ended never will. */
export function toSession(row: Row, live: boolean): ArchivedSession {
  const incomplete = number(row, "incomplete") ?? 0;
  const running = (number(row, "exchanges") ?? 0) - (number(row, "ended") ?? 0) - incomplete;
  return definedOnly({
    id: text(row, "id") ?? "",
    user: text(row, "user") ?? "",
    subject: text(row, "subject"),
    groups: json<string[]>(row, "principal_groups", []),
    source: { address: text(row, "source_address") ?? "", port: number(row, "source_port") ?? 0 },
    userAgent: text(row, "user_agent"),
    issuer: text(row, "issuer"),
    agent: text(row, "agent"),
    purpose: text(row, "purpose"),
    expires: number(row, "expires"),
    renewed: number(row, "renewed"),
    over: overOf(row),
    held: orderOf(row, "held"),
    forgotten: orderOf(row, "forgotten"),
    bodiesRetired:
      number(row, "forgotten") === undefined && number(row, "bodies_retired") !== undefined
        ? true
        : undefined,
    started: number(row, "started") ?? 0,
    lastActivity: number(row, "last_activity") ?? number(row, "started") ?? 0,
    exchanges: number(row, "exchanges") ?? 0,
    statements: number(row, "statements") ?? 0,
    denied: number(row, "denied") ?? 0,
    incomplete: incomplete + (live ? 0 : running),
    bytes: number(row, "bytes") ?? 0,
  });
}

function overOf(row: Row): ArchivedSession["over"] {
  const how = text(row, "over");
  if (how !== "ended" && how !== "revoked") return undefined;
  const by = text(row, "over_by");
  const at = number(row, "over_at") ?? 0;
  return { how, at, because: text(row, "over_because") ?? "", ...(by !== undefined && { by }) };
}

function orderOf(row: Row, what: "held" | "forgotten"): Order | undefined {
  const at = number(row, what);
  if (at === undefined) return undefined;
  return { at, by: text(row, `${what}_by`) ?? "", because: text(row, `${what}_because`) ?? "" };
}

/** Those who came without an identity that is known. */
export interface RefusedIdentities {
  readonly count: number;
  /** The last one of them. */
  readonly last: { readonly time: number; readonly source: Source; readonly reason: string };
}

export function toRefusedIdentities(row: Row): RefusedIdentities {
  const source = { address: text(row, "source_address") ?? "", port: number(row, "source_port") ?? 0 };
  const last = { time: number(row, "time") ?? 0, source, reason: text(row, "reason") ?? "" };
  return { count: number(row, "count") ?? 0, last };
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

function errorOf(row: Row): ArchivedExchange["error"] {
  const code = text(row, "error_code");
  return code === undefined ? undefined : { code, message: "" };
}

function summaryOf(end: EndEvent | undefined): ArchivedBody | undefined {
  if (end === undefined) return undefined;
  const { bytes, sha256, chunks } = end.response;
  return { bytes, ...(sha256 !== undefined && { sha256 }), chunks };
}

function text(row: Row, column: string): string | undefined {
  const value = row[column];
  return typeof value === "string" ? value : undefined;
}

function number(row: Row, column: string): number | undefined {
  const value = row[column];
  return typeof value === "number" ? value : undefined;
}

function flag(row: Row, column: string): boolean | undefined {
  const value = number(row, column);
  return value === undefined ? undefined : value !== 0;
}

function json<T>(row: Row, column: string, absent: T): T {
  const value = text(row, column);
  return value === undefined ? absent : (JSON.parse(value) as T);
}

function body(row: Row, side: "request" | "response"): ArchivedBody | undefined {
  const bytes = number(row, `${side}_bytes`);
  return bytes === undefined ? undefined : { bytes, chunks: 0 };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
type OptionalKeys<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];

/** Leaves out what is undefined, so that it does not appear as present and empty. */
function definedOnly<T extends object>(
  value: T,
): Omit<T, OptionalKeys<T>> & Partial<Defined<Pick<T, OptionalKeys<T>>>> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Omit<
    T,
    OptionalKeys<T>
  > &
    Partial<Defined<Pick<T, OptionalKeys<T>>>>;
}
