import type { DecisionSummary } from "../../../recording/events.ts";
import { type Asked, BOUNDS, type Statement } from "../asked.ts";
import { wholeMilliseconds } from "../headers.ts";
import { short } from "../text.ts";
import { type Activity, activityOf, CONNECT, UNKNOWN } from "./activity.ts";
import { DATASTORE, HTTP } from "./classes.ts";
import { baseEvent, type Context, fitEvent, type Headline } from "./event.ts";
import { type Json, json, member, part } from "./json.ts";
import {
  actor,
  authorityEndpoint,
  type BoundHeaders,
  boundHeaders,
  cloud,
  database,
  databaseObject,
  httpRequest,
  sourceEndpoint,
  type Target,
  table,
} from "./objects.ts";
import { bounded, type End, jobOf, passedUnseen, type Scene } from "./scene.ts";
import { unmapped } from "./unmapped.ts";

/** The value of an exchange's event. */
export function exchangeEvent(context: Context, scene: Scene): Json {
  const { exchange, session, principal, asked, end } = scene;
  const activity = kindOf(scene);
  const requestHeaders = scene.headers === undefined ? undefined : boundHeaders(scene.headers);
  const responseHeaders = end === undefined ? undefined : boundHeaders(end.response.headers);
  const http = activity.class === HTTP;
  const event =
    baseEvent(context, headline(scene, activity)) +
    times(context, scene) +
    result(scene) +
    ruling(asked?.decision, end) +
    part(',"actor":', actor(asked?.user, session, principal)) +
    part(',"src_endpoint":', sourceEndpoint(asked?.source)) +
    (asked === undefined ? "" : requested(exchange, asked, requestHeaders, end)) +
    part(',"http_response":', end && httpResponse(end, responseHeaders, http && asked === undefined)) +
    (http ? traffic(end) : work(scene, activity)) +
    (end?.request.sha256 === undefined ? "" : rawData(end.request.sha256, end.request.bytes)) +
    part(',"unmapped":', unmapped(context, scene, requestHeaders, responseHeaders));
  return fitEvent(`${event}}`, lossOf(scene, [requestHeaders, responseHeaders]));
}

function requested(
  exchange: string,
  asked: Asked,
  headers: BoundHeaders | undefined,
  end: End | undefined,
): string {
  return (
    part(',"dst_endpoint":', authorityEndpoint(asked.request.authority)) +
    part(',"http_request":', httpRequest(exchange, asked, headers, end?.request.bytes))
  );
}

/** The request as the agent sent it is what the event was made from; the topic of bodies has it. */
function rawData(sha256: string, bytes: number): string {
  const hash = `{"algorithm_id":3,"algorithm":"SHA-256","value":${json(sha256)}}`;
  return `,"raw_data_hash":${hash}${member(',"raw_data_size":', bytes)}`;
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

function times({ time }: Context, { asked, end }: Scene): string {
  if (end === undefined) return "";
  const total = end.phases?.total;
  return (
    member(',"start_time":', asked === undefined ? undefined : wholeMilliseconds(asked.time)) +
    member(',"end_time":', wholeMilliseconds(time)) +
    member(',"duration":', total === undefined ? undefined : Math.round(total))
  );
}

function result({ end, answer }: Scene): string {
  if (end === undefined) return ',"status_id":0,"status":"Unknown"';
  const { outcome, status, grpcStatus = 0, error } = end;
  if (outcome === "incomplete") {
    return ',"status_id":99,"status":"Incomplete","status_detail":"the gateway ended before the exchange did"';
  }
  const well = outcome === "complete" && status < 400 && grpcStatus === 0 && answer?.error === undefined;
  const detail = error?.message ?? answer?.error?.message;
  return (
    (well ? ',"status_id":1,"status":"Success"' : ',"status_id":2,"status":"Failure"') +
    member(',"status_code":', grpcStatus === 0 ? String(status) : `grpc ${grpcStatus}`) +
    member(
      ',"status_detail":',
      detail === undefined || detail === "" ? undefined : short(detail, BOUNDS.words),
    )
  );
}

const ALLOWED = ',"action_id":1,"action":"Allowed","disposition_id":1,"disposition":"Allowed"';
const DENIED = ',"action_id":2,"action":"Denied"';
const DISPOSITIONS = {
  blocked: ',"disposition_id":2,"disposition":"Blocked"',
  rejected: ',"disposition_id":25,"disposition":"Rejected"',
  unauthorized: ',"disposition_id":26,"disposition":"Unauthorized"',
  error: ',"disposition_id":27,"disposition":"Error"',
} as const;

/** The security_control profile: what the gateway ruled, and by which rule. */
function ruling(decision: DecisionSummary | undefined, end: End | undefined): string {
  const denied = end?.outcome === "denied" || decision?.effect === "deny";
  const action = denied ? DENIED + DISPOSITIONS[dispositionOf(end?.status)] : ALLOWED;
  if (decision === undefined) return action;
  const { rule, reason } = decision;
  return `${action},"policy":{"name":${json(rule === "" ? "unnamed" : rule)},"desc":${json(reason)},"is_applied":true}`;
}

function dispositionOf(status: number | undefined): keyof typeof DISPOSITIONS {
  if (status === undefined || status === 403) return "blocked";
  if (status === 401 || status === 407) return "unauthorized";
  return status >= 500 ? "error" : "rejected";
}

function httpResponse(end: End, headers: BoundHeaders | undefined, needed: boolean): Json | undefined {
  if (end.status === 0 && !needed) return undefined;
  const type = end.response.headers.find(
    ([name]) => name.length === CONTENT_TYPE.length && name.toLowerCase() === CONTENT_TYPE,
  )?.[1];
  const wait = end.phases?.upstreamFirstByte;
  return `{"code":${json(end.status)}${member(
    ',"content_type":',
    type === undefined ? undefined : short(type, BOUNDS.name),
  )}${part(',"http_headers":', headers?.list)}${member(',"body_length":', end.response.bytes)}${member(
    ',"latency":',
    wait === undefined ? undefined : Math.round(wait),
  )}}`;
}

const CONTENT_TYPE = "content-type";

/** A tunnel's bytes; its contents are the agent's own TLS, and are not recorded. */
function traffic(end: End | undefined): string {
  if (end === undefined) return "";
  const { request, response } = end;
  // As seen from the source: what came to it, and what it sent.
  const ways = `"bytes_in":${json(response.bytes)},"bytes_out":${json(request.bytes)}`;
  return `,"traffic":{"bytes":${json(request.bytes + response.bytes)},${ways}}`;
}

/** What was done, and to what. */
function work({ exchange, asked, end, answer }: Scene, activity: Activity): string {
  const operation = asked?.operation;
  const name = operation === undefined || operation.name === "" ? "unknown" : operation.name;
  const where = cloud(operation?.project, operation?.location ?? bounded(answer?.location));
  const error = bounded(end?.error?.code ?? answer?.error?.reason);
  const response =
    end === undefined || end.status === 0
      ? undefined
      : `{"code":${json(end.status)}${member(',"error":', error)}}`;
  const api = `{"operation":${json(name)},"request":{"uid":${json(exchange)}}${part(',"response":', response)}}`;
  const done = `,"cloud":${where},"api":${api}`;
  if (activity.class !== DATASTORE || operation === undefined) {
    return done + part(',"resources":', resources(operation));
  }
  const of = table(operation);
  return (
    done +
    (of === undefined ? ',"type_id":1,"type":"Database"' : ',"type_id":3,"type":"Table"') +
    part(',"database":', databaseObject(database(operation))) +
    part(',"table":', of && target(of)) +
    part(',"query_info":', asked?.statement && queryInfo(asked.statement, jobOf(asked, answer), end))
  );
}

function target({ name, uid }: Target): Json {
  return `{"name":${json(name)},"uid":${json(uid)}}`;
}

function queryInfo({ text }: Statement, job: string | undefined, end: End | undefined): Json {
  return `{"query_string":${json(text)}${member(',"uid":', job)}${member(',"bytes":', end?.response.bytes)}}`;
}

function resources(operation: Asked["operation"]): Json | undefined {
  const of = operation === undefined ? undefined : (table(operation) ?? database(operation));
  if (of?.name === undefined) return undefined;
  const type = operation?.table === undefined ? "Database" : "Table";
  return `[{"name":${json(of.name)},"uid":${json(of.uid)},"type":"${type}"}]`;
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
