/** A column, as `tables.insert` takes it (REST reference, "TableFieldSchema"). */
export interface Column {
  readonly name: string;
  readonly type: "STRING" | "INTEGER" | "FLOAT" | "BOOLEAN" | "TIMESTAMP" | "RECORD";
  readonly mode: "REQUIRED" | "NULLABLE" | "REPEATED";
  readonly description: string;
  readonly fields?: readonly Column[];
}

export interface WarehouseTable {
  readonly description: string;
  readonly columns: readonly Column[];
  /** At most four, in their order. All tables are partitioned by day of their column `time`. */
  readonly clustering: readonly string[];
}

export const TABLE_NAMES = ["exchanges", "sessions", "gaps"] as const;
export type TableName = (typeof TABLE_NAMES)[number];

type Type = Column["type"];

function required(name: string, type: Type, description: string): Column {
  return { name, type, mode: "REQUIRED", description };
}

function column(name: string, type: Type, description: string): Column {
  return { name, type, mode: "NULLABLE", description };
}

const STRING = (name: string, description: string): Column => column(name, "STRING", description);
const INTEGER = (name: string, description: string): Column => column(name, "INTEGER", description);

/** What every event has. Names that GoogleSQL reserves (`rows`, `groups`) are avoided, so that no query needs backquotes. */
const EVENT: readonly Column[] = [
  required("event_id", "STRING", "The event's ce_id: unique"),
  required("time", "TIMESTAMP", "When it happened; of an exchange, when it was asked"),
  STRING("gateway", "The gateway that recorded it: ce_source"),
  INTEGER("sequence", "Its position in the gateway's journal, by which a gateway's events are in order"),
];

const PERSON: readonly Column[] = [
  STRING("user", "The person on whose behalf the agent acts"),
  STRING("subject", "The same, as the identity provider knows them"),
  { ...STRING("user_groups", "Groups of that person"), mode: "REPEATED" },
  STRING("source_address", "Where the connection came from"),
  STRING("user_agent", "What the client calls itself"),
];

/** Milliseconds of each step; see `Phase` of the recording. */
const PHASES = [
  ...["receive", "decide", "commit", "credential"],
  ...["upstreamFirstByte", "upstream", "release", "total"],
].map((name) => column(name, "FLOAT", "Milliseconds"));

/**
 * The tables of the warehouse. Columns may be added, at the end; a type, a mode or a name never changes: what a dataset has
 * already must stay readable.
 */
export const TABLES: Readonly<Record<TableName, WarehouseTable>> = {
  exchanges: {
    description: "One row for each exchange of an agent with BigQuery that has ended",
    clustering: ["user", "operation"],
    columns: [
      ...EVENT,
      required("exchange", "STRING", "The exchange's id, a UUID of version 7"),
      STRING("session", "The session that it belongs to"),
      ...PERSON,
      column("ended", "TIMESTAMP", "When it ended"),
      STRING("operation", "What was asked: jobs.query, tabledata.list, ReadRows …"),
      STRING("project", "The project that the request names"),
      STRING("dataset", "The dataset that the request names; tables in SQL are in sql alone"),
      STRING("table_name", "The table that the request names, likewise"),
      STRING("location", "Where BigQuery worked"),
      STRING("sql", "The statement"),
      column("sql_truncated", "BOOLEAN", "Only its beginning is here; the recorded body has the whole"),
      column("dry_run", "BOOLEAN", "It was not to run"),
      { ...STRING("read_columns", "Columns that are read; none named: all"), mode: "REPEATED" },
      STRING("stream", "The Storage API's stream"),
      STRING("upload", "Which step of an upload it is"),
      STRING("effect", "allow or deny"),
      STRING("rule", "The policy's rule that decided"),
      STRING("reason", "Why it decided so"),
      STRING("outcome", "complete, aborted, denied, or incomplete: the gateway ended before it did"),
      INTEGER("status", "The HTTP status that the agent was sent; 0 for none"),
      INTEGER("grpc_status", "google.rpc.Code"),
      STRING("answered_by", "upstream or gateway"),
      STRING("error_code", "What went wrong in the gateway, or its refusal"),
      STRING("error_message", "The same in words"),
      STRING("answer_reason", "BigQuery's reason for an error, or the failed job's"),
      STRING("job", "The job's id"),
      STRING("job_project", "The project that the job ran in"),
      STRING("query_id", "Of a query that ran without a job"),
      STRING("statement_type", "SELECT, INSERT, CREATE_TABLE …"),
      INTEGER("answer_rows", "Rows in this answer"),
      INTEGER("total_rows", "Rows of the whole result"),
      column("more_pages", "BOOLEAN", "There are more pages behind this one"),
      INTEGER("bytes_processed", "What the job read, in bytes"),
      INTEGER("dml_rows", "Rows that a statement changed"),
      column("cache_hit", "BOOLEAN", "The result came from BigQuery's cache"),
      column("job_complete", "BOOLEAN", "The job had ended when this was answered"),
      STRING("method", "HTTP method"),
      STRING("authority", "The host and port that the agent named"),
      STRING("target", "Request target, credentials fingerprinted"),
      INTEGER("request_bytes", "Bytes of the request's body"),
      STRING("request_sha256", "Their digest"),
      INTEGER("response_bytes", "Bytes of the answer's body, as they passed"),
      STRING("response_sha256", "Their digest"),
      STRING("credential", "The identity shown to BigQuery"),
      { ...column("phases", "RECORD", "Where the time went"), fields: PHASES },
    ],
  },
  sessions: {
    description: "What happened to sessions, and connections that were refused as unknown",
    clustering: ["user", "event"],
    columns: [
      ...EVENT,
      required("event", "STRING", "started, renewed, ended, revoked, or refused"),
      STRING("session", "The session's id; none when refused"),
      ...PERSON,
      STRING("issuer", "Who says who the user is"),
      STRING("agent", "What the agent is called by whoever opened the session"),
      STRING("purpose", "What for"),
      column("expires", "TIMESTAMP", "The session's hard end"),
      STRING("because", "Why it ended, was revoked, or was refused"),
      STRING("revoked_by", "Who revoked it"),
      INTEGER("suppressed", "Further refusals from the same place that are not told one by one"),
    ],
  },
  gaps: {
    description: "Parts of gateways' journals that could not be read: something is missing in the recording",
    clustering: ["gateway"],
    columns: [
      ...EVENT,
      INTEGER("first", "Where it begins in the journal"),
      INTEGER("behind", "The position behind it"),
      STRING("reason", "damaged, missing or unreadable"),
    ],
  },
};
