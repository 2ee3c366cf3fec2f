import { recordHash } from "../../recording/chain.ts";
import type {
  BodySummary,
  Checkpoint,
  DecisionSummary,
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  HeaderList,
  OperationSummary,
  Principal,
  RecordedEvent,
  RequestHead,
  SessionEnded,
  Source,
} from "../../recording/events.ts";
import { eventJson } from "../../recording/serialize.ts";
import { type Fields, fields } from "./fields.ts";
import type { SessionEvent } from "./ocsf.ts";
import type { EventMessage } from "./read.ts";

/** What topics tell beyond what a gateway records itself. */
export type ToldEvent =
  | RecordedEvent
  /** The gateway ended before the exchange did. */
  | { readonly type: "exchange.incomplete"; readonly time: number; readonly exchange: string }
  /** Bytes of the source's journal that could not be delivered. */
  | {
      readonly type: "recording.gap";
      readonly time: number;
      readonly from: number;
      readonly to: number;
      readonly reason: string;
    };

/**
 * The event of the recording that an event of the topic was made from. What was cut to fit the topic stays cut: headers
 * beyond the first few, very long names; SQL is whole in the request's body. Never throws: what an event does not say is
 * left out, or empty.
 */
export function recordedEvent(message: EventMessage): ToldEvent {
  const told = toldEvent(message);
  if (told.type === "recording.gap" || told.type === "exchange.incomplete") return told;
  const unmapped = fields(message.event).object("unmapped");
  const id = unmapped.text("chain_uid");
  const previous = unmapped.text("chain_previous");
  const sequence = unmapped.number("chain_sequence");
  if (id === undefined || previous === undefined || sequence === undefined) return told;
  const chain = { id, previous, sequence };
  const placed = { ...told, chain };
  const hash = unmapped.text("chain_hash");
  const whole = hash === undefined || recordHash(eventJson(placed)) === hash;
  return whole ? placed : { ...told, chain: { ...chain, cut: hash } };
}

function toldEvent({
  name,
  subject = "",
  event,
}: Pick<EventMessage, "name" | "subject" | "event">): ToldEvent {
  const of = fields(event);
  const time = of.number("time") ?? 0;
  const unmapped = of.object("unmapped");
  switch (name) {
    case "gateway.started":
      return {
        type: name,
        time,
        gateway: unmapped.text("gateway_run") ?? subject,
        version: of.object("app").text("version") ?? "",
        truncatedBytes: unmapped.number("truncated_bytes") ?? 0,
      };
    case "gateway.stopped":
      return { type: name, time, gateway: unmapped.text("gateway_run") ?? subject };
    case "session.started":
    case "session.renewed":
    case "session.ended":
    case "session.revoked":
      return sessionOf(of, name, time, subject);
    case "identity.refused":
      return {
        type: name,
        time,
        source: sourceOf(of),
        ...present({ userAgent: of.object("http_request").text("user_agent") }),
        reason: of.text("status_code") ?? "",
        suppressed: unmapped.number("suppressed") ?? 0,
      };
    case "recording.gap": {
      const [from = 0, to = 0] = [unmapped.number("gap_from"), unmapped.number("gap_to")];
      return { type: name, time, from, to, reason: unmapped.text("gap_reason") ?? "" };
    }
    case "exchange.requested":
      return requestedOf(of, time, subject);
    case "checkpoint":
      return checkpointOf(of, time);
    default:
      if (unmapped.text("outcome") === "incomplete") {
        return { type: "exchange.incomplete", time, exchange: subject };
      }
      return endOf(of, time, subject, name === "exchange.denied");
  }
}

function checkpointOf(of: Fields, time: number): Checkpoint {
  const unmapped = of.object("unmapped");
  const heads = unmapped.list("checkpoint_heads").map((head) => ({
    hash: head.text("hash") ?? "",
    id: head.text("id") ?? "",
    sequence: head.number("sequence") ?? 0,
    session: head.text("session") ?? "",
  }));
  return {
    type: "checkpoint",
    time,
    ...present({ session: of.object("metadata").text("correlation_uid") }),
    because: (unmapped.text("checkpoint_because") ?? "interval") as Checkpoint["because"],
    last: unmapped.truth("checkpoint_last"),
    kid: unmapped.text("checkpoint_key") ?? "",
    ...(heads.length > 0 && { heads }),
    signature: unmapped.text("checkpoint_signature") ?? "",
  };
}

function sessionOf(of: Fields, type: SessionEvent["type"], time: number, session: string): SessionEvent {
  const unmapped = of.object("unmapped");
  const details = of.object("session");
  const because = details.text("expiration_reason") ?? "";
  const userAgent = of.object("http_request").text("user_agent");
  const principal = principalOf(of.object("user"), details.text("issuer"));
  const common = { time, session, principal, ...present({ userAgent }) };
  const endpoint = of.object("src_endpoint");
  const known = (endpoint.text("ip") ?? endpoint.text("name")) !== undefined && { source: sourceOf(of) };
  switch (type) {
    case "session.started":
      return {
        type,
        ...common,
        source: sourceOf(of),
        ...present({
          agent: unmapped.text("agent"),
          purpose: unmapped.text("purpose"),
          expiresAt: details.number("expiration_time"),
        }),
      };
    case "session.renewed":
      return { type, ...common, ...known, renewBefore: unmapped.number("renew_before") ?? 0 };
    case "session.ended":
      return { type, ...common, ...known, because: because as SessionEnded["because"] };
    case "session.revoked": {
      const by = {
        subject: unmapped.text("revoked_by_subject") ?? "",
        user: unmapped.text("revoked_by") ?? "",
        groups: [],
        ...present({ issuer: unmapped.text("revoked_by_issuer") }),
      };
      return { type, ...common, ...known, because, by };
    }
  }
}

function principalOf(user: Fields, issuer: string | undefined): Principal {
  return {
    subject: user.text("uid") ?? "",
    user: userOf(user) ?? "",
    groups: user.list("groups").map((group) => group.text("name") ?? ""),
    ...present({ issuer }),
  };
}

/** OCSF wants a name where none is known; its type says so. */
function userOf(user: Fields): string | undefined {
  return user.number("type_id") === 0 ? undefined : user.text("name");
}

function sourceOf(of: Fields): Source {
  const endpoint = of.object("src_endpoint");
  return { address: endpoint.text("ip") ?? "", port: endpoint.number("port") ?? 0 };
}

function requestedOf(of: Fields, time: number, exchange: string): ExchangeRequested {
  return {
    type: "exchange.requested",
    time,
    exchange,
    session: of.object("metadata").text("correlation_uid") ?? "",
    user: userOf(of.object("actor").object("user")) ?? "",
    source: sourceOf(of),
    request: headOf(of),
    operation: operationOf(of),
    decision: decisionOf(of),
  };
}

function headOf(of: Fields): RequestHead {
  const request = of.object("http_request");
  const url = request.object("url");
  const hostname = url.text("hostname") ?? "";
  const port = url.number("port");
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const authority = port === undefined ? host : `${host}:${port}`;
  const query = url.text("query_string");
  const path = url.text("path") ?? url.text("url_string") ?? "";
  return {
    method: request.text("http_method") ?? of.object("unmapped").text("http_method") ?? "",
    authority,
    target: query === undefined ? path : `${path}?${query}`,
    httpVersion: request.text("version") ?? "",
    headers: headersOf(request),
  };
}

function headersOf(message: Fields): HeaderList {
  return headerList(message, "http_headers");
}

function headerList(of: Fields, name: string): HeaderList {
  return of.list(name).map((header) => [header.text("name") ?? "", header.text("value") ?? ""] as const);
}

function operationOf(of: Fields): OperationSummary {
  const unmapped = of.object("unmapped");
  const sql = of.object("query_info").text("query_string");
  const sqlBytes = unmapped.number("sql_untruncated_size");
  const sqlSha256 = unmapped.text("sql_sha256");
  const columns = unmapped.texts("columns");
  return {
    // HTTP Activity has no operation: it is a tunnel.
    name: of.object("api").text("operation") ?? "tunnel",
    ...present({
      project: of.object("cloud").object("account").text("uid"),
      dataset: unmapped.text("dataset"),
      table: unmapped.text("table"),
      job: unmapped.text("job_id"),
      location: of.object("cloud").text("region"),
      sql,
      stream: unmapped.text("stream"),
      billingProject: unmapped.text("billing_project"),
      upload: unmapped.text("upload") as OperationSummary["upload"],
      columns,
      sqlBytes,
      sqlSha256,
    }),
    ...(unmapped.truth("sql_truncated") && { sqlTruncated: true as const }),
    ...(unmapped.truth("dry_run") && { dryRun: true as const }),
    ...(unmapped.truth("columns_truncated") && { columnsTruncated: true as const }),
  };
}

function decisionOf(of: Fields): DecisionSummary {
  const policy = of.object("policy");
  return {
    effect: of.number("action_id") === 2 ? "deny" : "allow",
    rule: policy.text("name") ?? "",
    reason: policy.text("desc") ?? "",
  };
}

function endOf(
  of: Fields,
  time: number,
  exchange: string,
  denied: boolean,
): ExchangeCompleted | ExchangeDenied {
  const unmapped = of.object("unmapped");
  const session = of.object("metadata").text("correlation_uid");
  const code = unmapped.text("error_code");
  const common = {
    time,
    exchange,
    ...present({
      session,
      grpcStatus: unmapped.number("grpc_status"),
      credential: unmapped.text("credential"),
    }),
    status: of.object("http_response").number("code") ?? 0,
    answeredBy: unmapped.text("answered_by") === "gateway" ? ("gateway" as const) : ("upstream" as const),
    ...(code !== undefined && { error: { code, message: of.text("status_detail") ?? "" } }),
    request: bodyOf(unmapped, "request", of.object("raw_data_hash").text("value")),
    response: {
      ...bodyOf(unmapped, "response", unmapped.text("response_sha256")),
      headers: headersOf(of.object("http_response")),
      ...(unmapped.texts("response_trailers") !== undefined && {
        trailers: headerList(unmapped, "response_trailers"),
      }),
    },
    phases: unmapped.object("phases").numbers(),
  };
  if (!denied) {
    const outcome = unmapped.text("outcome") === "aborted" ? "aborted" : "complete";
    return { type: "exchange.completed", outcome, ...common };
  }
  // Only of a request that was refused before it was recorded is nothing known of its body.
  const refused = unmapped.text("request_kept") === "unread" && {
    refused: {
      ...present({ user: userOf(of.object("actor").object("user")) }),
      source: sourceOf(of),
      request: headOf(of),
    },
  };
  return { type: "exchange.denied", outcome: "denied", ...common, ...refused };
}

function bodyOf(
  unmapped: Fields,
  direction: "request" | "response",
  sha256: string | undefined,
): BodySummary {
  return {
    bytes: unmapped.number(`${direction}_bytes`) ?? 0,
    chunks: unmapped.number(`${direction}_chunks`) ?? 0,
    ...(sha256 !== undefined && { sha256 }),
  };
}

type Present<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what is undefined. */
function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>;
}
