import type { DecisionSummary } from "../../../recording/events.ts";
import { type Asked, BOUNDS } from "../asked.ts";
import { wholeMilliseconds } from "../headers.ts";
import { short } from "../text.ts";
import { type Activity, activityOf, CONNECT, UNKNOWN } from "./activity.ts";
import { DATASTORE, HTTP } from "./classes.ts";
import { type Attributes, baseEvent, type Context, encodeEvent, type Headline } from "./event.ts";
import {
  actor,
  authorityEndpoint,
  type BoundHeaders,
  boundHeaders,
  cloud,
  database,
  httpRequest,
  sourceEndpoint,
  table,
} from "./objects.ts";
import { bounded, type End, jobOf, passedUnseen, type Scene } from "./scene.ts";
import { unmapped } from "./unmapped.ts";

/** The value of an exchange's event. */
export function exchangeEvent(context: Context, scene: Scene): string {
  const { asked, end } = scene;
  const activity = kindOf(scene);
  const requestHeaders = scene.headers === undefined ? undefined : boundHeaders(scene.headers);
  const responseHeaders = end === undefined ? undefined : boundHeaders(end.response.headers);
  const http = activity.class === HTTP;
  const event: Attributes = {
    ...baseEvent(context, headline(scene, activity)),
    ...times(context, scene),
    ...result(scene),
    ...ruling(asked?.decision, end),
    actor: actor(asked?.user, scene.session, scene.principal),
    src_endpoint: sourceEndpoint(asked?.source),
    dst_endpoint: asked === undefined ? undefined : authorityEndpoint(asked.request.authority),
    http_request:
      asked === undefined
        ? undefined
        : httpRequest(scene.exchange, asked, requestHeaders, end?.request.bytes),
    http_response:
      end === undefined ? undefined : httpResponse(end, responseHeaders, http && asked === undefined),
    ...(http ? traffic(end) : work(scene, activity)),
    // The request as the agent sent it is what the event was made from; the topic of bodies has it.
    raw_data_hash: end?.request.sha256 === undefined ? undefined : sha256(end.request.sha256),
    raw_data_size: end?.request.sha256 === undefined ? undefined : end.request.bytes,
    unmapped: unmapped(context, scene, requestHeaders, responseHeaders),
  };
  return encodeEvent(event, lossOf(scene, [requestHeaders, responseHeaders]));
}

function kindOf({ asked, answer, end }: Scene): Activity {
  if (asked !== undefined) return activityOf(asked, answer?.statementType);
  return end !== undefined && passedUnseen(end) ? CONNECT : UNKNOWN;
}

function headline({ asked, session, principal, end }: Scene, activity: Activity): Headline {
  const operation = asked?.operation;
  const who = asked?.user ?? principal?.user ?? "unknown";
  const what = operation === undefined ? asked?.request.method : operation.name;
  const where =
    operation?.project === undefined
      ? asked?.request.authority
      : [operation.project, operation.dataset, operation.table]
          .filter((part) => part !== undefined)
          .join(".");
  const how =
    end === undefined
      ? "requested"
      : end.outcome === "complete"
        ? `answered with ${end.status}`
        : `${end.outcome}${end.error === undefined ? "" : `: ${end.error.message}`}`;
  return {
    activity,
    severity: end?.outcome === "denied" ? "medium" : end?.outcome === "incomplete" ? "low" : "informational",
    message: `${who}: ${what ?? "a request"}${where === undefined || where === "" ? "" : ` on ${where}`}, ${how}`,
    session,
    profiles: activity.class === HTTP ? ["host", "security_control"] : ["cloud", "security_control"],
  };
}

function times({ time }: Context, { asked, end }: Scene): Attributes {
  if (end === undefined) return {};
  const total = end.phases?.total;
  return {
    start_time: asked === undefined ? undefined : wholeMilliseconds(asked.time),
    end_time: wholeMilliseconds(time),
    duration: total === undefined ? undefined : Math.round(total),
  };
}

const UNKNOWN_STATUS = { status_id: 0, status: "Unknown" };
const SUCCESS = { status_id: 1, status: "Success" };
const FAILURE = { status_id: 2, status: "Failure" };
const OTHER_STATUS = 99;

function result({ end, answer }: Scene): Attributes {
  if (end === undefined) return UNKNOWN_STATUS;
  const { outcome, status, grpcStatus = 0, error } = end;
  if (outcome === "incomplete") {
    return {
      status_id: OTHER_STATUS,
      status: "Incomplete",
      status_detail: "the gateway ended before the exchange did",
    };
  }
  const well = outcome === "complete" && status < 400 && grpcStatus === 0 && answer?.error === undefined;
  const detail = error?.message ?? answer?.error?.message;
  return {
    ...(well ? SUCCESS : FAILURE),
    status_code: grpcStatus === 0 ? String(status) : `grpc ${grpcStatus}`,
    status_detail: detail === undefined || detail === "" ? undefined : short(detail, BOUNDS.words),
  };
}

const ALLOWED = { action_id: 1, action: "Allowed", disposition_id: 1, disposition: "Allowed" };
const DENIED = { action_id: 2, action: "Denied" };
const DISPOSITIONS = {
  blocked: { disposition_id: 2, disposition: "Blocked" },
  rejected: { disposition_id: 25, disposition: "Rejected" },
  unauthorized: { disposition_id: 26, disposition: "Unauthorized" },
  error: { disposition_id: 27, disposition: "Error" },
} as const;

/** The security_control profile: what the gateway ruled, and by which rule. */
function ruling(decision: DecisionSummary | undefined, end: End | undefined): Attributes {
  const denied = end?.outcome === "denied" || decision?.effect === "deny";
  return {
    ...(denied ? { ...DENIED, ...DISPOSITIONS[dispositionOf(end?.status)] } : ALLOWED),
    policy:
      decision === undefined
        ? undefined
        : { name: decision.rule === "" ? "unnamed" : decision.rule, desc: decision.reason, is_applied: true },
  };
}

function dispositionOf(status: number | undefined): keyof typeof DISPOSITIONS {
  if (status === undefined || status === 403) return "blocked";
  if (status === 401 || status === 407) return "unauthorized";
  return status >= 500 ? "error" : "rejected";
}

function httpResponse(end: End, headers: BoundHeaders | undefined, needed: boolean): Attributes | undefined {
  if (end.status === 0 && !needed) return undefined;
  const type = end.response.headers.find(([name]) => name.toLowerCase() === "content-type")?.[1];
  const wait = end.phases?.upstreamFirstByte;
  return {
    code: end.status,
    content_type: type === undefined ? undefined : short(type, BOUNDS.name),
    http_headers: headers?.list,
    body_length: end.response.bytes,
    latency: wait === undefined ? undefined : Math.round(wait),
  };
}

/** A tunnel's bytes; its contents are the agent's own TLS, and are not recorded. */
function traffic(end: End | undefined): Attributes {
  if (end === undefined) return {};
  const { request, response } = end;
  return {
    traffic: {
      bytes: request.bytes + response.bytes,
      // As seen from the source: what came to it, and what it sent.
      bytes_in: response.bytes,
      bytes_out: request.bytes,
    },
  };
}

/** What was done, and to what. */
function work({ exchange, asked, end, answer }: Scene, activity: Activity): Attributes {
  const operation = asked?.operation;
  const job = jobOf(asked, answer);
  const error = end?.error;
  const attributes: Attributes = {
    cloud: cloud(operation?.project, operation?.location ?? bounded(answer?.location)),
    api: {
      operation: operation === undefined || operation.name === "" ? "unknown" : operation.name,
      request: { uid: exchange },
      response:
        end === undefined || end.status === 0
          ? undefined
          : { code: end.status, error: bounded(error?.code ?? answer?.error?.reason) },
    },
  };
  if (activity.class !== DATASTORE || operation === undefined) {
    return { ...attributes, resources: resources(operation) };
  }
  const of = table(operation);
  return {
    ...attributes,
    ...(of === undefined ? { type_id: 1, type: "Database" } : { type_id: 3, type: "Table" }),
    database: database(operation),
    table: of,
    query_info:
      asked?.statement === undefined
        ? undefined
        : { query_string: asked.statement.text, uid: job, bytes: end?.response.bytes },
  };
}

function resources(operation: Asked["operation"]): Attributes[] | undefined {
  const target = operation === undefined ? undefined : (table(operation) ?? database(operation));
  if (target?.name === undefined) return undefined;
  return [
    { name: target.name, uid: target.uid, type: operation?.table === undefined ? "Database" : "Table" },
  ];
}

function sha256(value: string): Attributes {
  return { algorithm_id: 3, algorithm: "SHA-256", value };
}

function lossOf(
  { asked }: Scene,
  headers: readonly (BoundHeaders | undefined)[],
): { readonly cut: boolean; readonly bytes: number } {
  const lostOfHeaders = headers.reduce((sum, each) => sum + (each?.lost ?? 0), 0);
  const { text = "", whole, cut } = asked?.statement ?? {};
  const lostOfSql = whole === undefined ? 0 : Math.max(0, whole.bytes - Buffer.byteLength(text));
  return {
    cut: cut === true || asked?.cut === true || lostOfHeaders > 0,
    bytes: lostOfHeaders + lostOfSql,
  };
}
