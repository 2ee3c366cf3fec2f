import { fields } from "../../delivery/records/fields.ts";
import type { SessionEvent } from "../../delivery/records/ocsf.ts";
import type { EventMessage } from "../../delivery/records/read.ts";
import { recordedEvent } from "../../delivery/records/recorded.ts";
import type { ExchangeRequested, Principal, Source } from "../../recording/events.ts";
import type { TableName } from "./tables.ts";

/** A row as a load job reads it: one line of JSON. What is undefined is NULL. */
export type Row = Readonly<Record<string, unknown>>;

/** BigQuery's TIMESTAMP begins with the year 1 and ends with 9999; a recording has nothing before 1970. */
const LAST_TIME = 253_402_300_799_999;

/**
 * The row that an event makes; undefined for those that have none: a request is told again by its end, and of a gateway's
 * runs nothing is kept. Never throws: what an event does not say is left out.
 */
export function rowOf(message: EventMessage): { readonly table: TableName; readonly row: Row } | undefined {
  const told = recordedEvent(message);
  const { id, source, sequence } = message;
  const event = (time: number) => ({ event_id: id, time: timestamp(time), gateway: source, sequence });
  switch (told.type) {
    case "exchange.completed":
    case "exchange.denied":
    case "exchange.incomplete":
      return { table: "exchanges", row: exchangeRow(message, event) };
    case "session.started":
    case "session.renewed":
    case "session.ended":
    case "session.revoked":
      return { table: "sessions", row: { ...event(told.time), ...sessionRow(told) } };
    case "identity.refused": {
      const { time, source: from, userAgent: user_agent, reason: because, suppressed } = told;
      const row = { event: "refused", source_address: addressOf(from), user_agent, because, suppressed };
      return { table: "sessions", row: { ...event(time), ...row } };
    }
    case "recording.gap": {
      const { time, from: first, to: behind, reason } = told;
      return { table: "gaps", row: { ...event(time), first, behind, reason } };
    }
    default:
      return undefined;
  }
}

function exchangeRow(message: EventMessage, event: (time: number) => Row): Row {
  // An exchange's end says again what its beginning said.
  const asked = recordedEvent({ ...message, name: "exchange.requested" }) as ExchangeRequested;
  const ended = recordedEvent(message);
  const of = fields(message.event);
  const unmapped = of.object("unmapped");
  const time = of.number("start_time") ?? asked.time;
  const { operation, decision, request } = asked;
  const user = of.object("actor").object("user");
  const end = "outcome" in ended ? ended : undefined;
  const known = request.authority !== "";
  return {
    ...event(time),
    exchange: message.subject ?? "",
    session: asked.session || undefined,
    user: asked.user || undefined,
    subject: user.text("uid"),
    user_groups: user.list("groups").flatMap((group) => group.text("name") ?? []),
    source_address: addressOf(asked.source),
    user_agent: of.object("http_request").text("user_agent"),
    ended: timestamp(ended.time),
    operation: known ? operation.name : undefined,
    project: operation.project,
    dataset: operation.dataset,
    table_name: operation.table,
    location: operation.location,
    sql: operation.sql,
    sql_truncated: operation.sqlTruncated,
    dry_run: operation.dryRun,
    read_columns: operation.columns ?? [],
    stream: operation.stream,
    upload: operation.upload,
    effect: decision.effect,
    rule: decision.rule || undefined,
    reason: decision.reason || undefined,
    outcome: end?.outcome ?? "incomplete",
    status: end?.status ?? 0,
    grpc_status: end?.grpcStatus,
    answered_by: end?.answeredBy,
    error_code: end?.error?.code,
    error_message: end?.error?.message,
    answer_reason: unmapped.text("answer_reason"),
    job: operation.job,
    job_project: unmapped.text("job_project"),
    query_id: unmapped.text("query_id"),
    statement_type: unmapped.text("statement_type"),
    answer_rows: integer(unmapped.number("rows")),
    total_rows: integer(unmapped.number("total_rows")),
    more_pages: truth(message, "more_pages"),
    bytes_processed: integer(unmapped.number("bytes_processed")),
    dml_rows: integer(unmapped.number("dml_rows")),
    cache_hit: truth(message, "cache_hit"),
    job_complete: truth(message, "job_complete"),
    method: request.method || undefined,
    authority: request.authority || undefined,
    target: request.target || undefined,
    request_bytes: integer(end?.request.bytes),
    request_sha256: end?.request.sha256,
    response_bytes: integer(end?.response.bytes),
    response_sha256: end?.response.sha256,
    credential: end?.credential,
    phases: phasesOf(end?.phases),
  };
}

function sessionRow(told: SessionEvent): Row {
  const started = told.type === "session.started" ? told : undefined;
  const revoked = told.type === "session.revoked" ? told : undefined;
  return {
    event: told.type.slice("session.".length),
    session: told.session,
    ...person(told.principal),
    source_address: addressOf(told.source),
    user_agent: told.userAgent,
    agent: started?.agent,
    purpose: started?.purpose,
    expires: started?.expiresAt === undefined ? undefined : timestamp(started.expiresAt),
    because: "because" in told ? told.because : undefined,
    revoked_by: revoked?.by.user,
  };
}

function person({ user, subject, groups, issuer }: Principal): Row {
  return { user: user || undefined, subject: subject || undefined, user_groups: groups, issuer };
}

function addressOf(source: Source | undefined): string | undefined {
  return source?.address || undefined;
}

const PHASES = [
  ...["receive", "decide", "commit", "credential"],
  ...["upstreamFirstByte", "upstream", "release", "total"],
];

/** Only those that the table has a place for: BigQuery refuses rows with others. */
function phasesOf(phases: Readonly<Record<string, number>> | undefined): Row | undefined {
  if (phases === undefined) return undefined;
  return Object.fromEntries(PHASES.map((name) => [name, finite(phases[name])]));
}

function finite(value: number | undefined): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

function integer(value: number | undefined): number | undefined {
  return Number.isSafeInteger(value) ? value : undefined;
}

function truth({ event }: EventMessage, name: string): boolean | undefined {
  const { unmapped } = event as { readonly unmapped?: Readonly<Record<string, unknown>> };
  const value = unmapped?.[name];
  return typeof value === "boolean" ? value : undefined;
}

function timestamp(time: number): string {
  return new Date(Math.min(Math.max(0, Number.isFinite(time) ? time : 0), LAST_TIME)).toISOString();
}
