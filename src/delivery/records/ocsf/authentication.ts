import type {
  IdentityRefused,
  SessionEnded,
  SessionRenewed,
  SessionRevoked,
  SessionStarted,
} from "../../../recording/events.ts";
import { BOUNDS } from "../asked.ts";
import { wholeMilliseconds } from "../headers.ts";
import type { KnownPrincipal } from "../sessions.ts";
import { short } from "../text.ts";
import { AUTHENTICATION, AUTHENTICATION_ACTIVITY } from "./classes.ts";
import { baseEvent, type Context, fitEvent } from "./event.ts";
import { type Json, json, member, part } from "./json.ts";
import { sourceEndpoint, userOf } from "./objects.ts";
import { bounded } from "./scene.ts";

/** What happens to a session. */
export type SessionEvent = SessionStarted | SessionRenewed | SessionEnded | SessionRevoked;

/** The value of a session's event: OCSF Authentication, a Logon, a Logoff, or a renewal. */
export function sessionEvent(context: Context, event: SessionEvent, principal: KnownPrincipal): Json {
  const { type, session, source, userAgent } = event;
  const { activity, words } = KINDS[type];
  const revoked = type === "session.revoked";
  const base = baseEvent(context, {
    activity: { class: AUTHENTICATION, id: activity },
    severity: revoked ? "medium" : "informational",
    message: `${principal.user}: session ${session} ${words}`,
    session,
    profiles: ["security_control"],
  });
  // What a gateway does by itself comes from nowhere.
  const from = type !== "session.started" && source === undefined ? undefined : sourceEndpoint(source);
  return fitEvent(
    base +
      SUCCESS +
      (revoked ? BLOCKED : ALLOWED) +
      part(',"user":', userOf(undefined, principal)) +
      part(',"session":', sessionObject(event, principal)) +
      service(context) +
      part(',"src_endpoint":', from) +
      request(userAgent) +
      LOGON_TYPE +
      part(',"unmapped":', unmapped(context, event, principal)) +
      "}",
  );
}

function sessionObject(event: SessionEvent, { issuer }: KnownPrincipal): Json {
  const { type, session, time } = event;
  const started = type === "session.started" ? event : undefined;
  const because = type === "session.ended" || type === "session.revoked" ? event.because : undefined;
  const expires = started?.expiresAt;
  return `{"uid":${json(session)}${member(',"issuer":', issuer)}${member(
    ',"created_time":',
    started === undefined ? undefined : wholeMilliseconds(time),
  )}${member(',"expiration_time":', expires === undefined ? undefined : wholeMilliseconds(expires))}${member(
    ',"expiration_reason":',
    because === undefined ? undefined : short(because, BOUNDS.words),
  )}}`;
}

function unmapped({ run }: Context, event: SessionEvent, { moreGroups }: KnownPrincipal): Json {
  const started = event.type === "session.started" ? event : undefined;
  const by = event.type === "session.revoked" ? event.by : undefined;
  const renewed = event.type === "session.renewed" ? event : undefined;
  return JSON.stringify({
    gateway_run: run?.gateway,
    groups_left_out: moreGroups,
    agent: bounded(started?.agent),
    purpose: bounded(started?.purpose),
    renew_before: renewed === undefined ? undefined : wholeMilliseconds(renewed.renewBefore),
    revoked_by: bounded(by?.user),
    revoked_by_subject: bounded(by?.subject),
    revoked_by_issuer: bounded(by?.issuer),
  });
}

/** The value of a refused identity's event: OCSF Authentication, a Logon that failed. */
export function refusedEvent(context: Context, event: IdentityRefused): Json {
  const { source, userAgent, reason, suppressed } = event;
  const more = suppressed > 0 ? `, and ${suppressed} more times` : "";
  const base = baseEvent(context, {
    activity: { class: AUTHENTICATION, id: AUTHENTICATION_ACTIVITY.logon },
    severity: "low",
    message: `an unknown identity was refused (${short(reason, 64)})${more}`,
    profiles: ["security_control"],
  });
  return fitEvent(
    base +
      FAILURE +
      member(',"status_code":', short(reason, BOUNDS.name)) +
      BLOCKED +
      part(',"user":', userOf(undefined, undefined)) +
      service(context) +
      part(',"src_endpoint":', sourceEndpoint(source)) +
      request(userAgent) +
      LOGON_TYPE +
      part(',"unmapped":', JSON.stringify({ gateway_run: context.run?.gateway, suppressed })) +
      "}",
  );
}

const SUCCESS = ',"status_id":1,"status":"Success"';
const FAILURE = ',"status_id":2,"status":"Failure"';
const ALLOWED = ',"action_id":1,"action":"Allowed","disposition_id":1,"disposition":"Allowed"';
/** Of a revocation, too: access was taken away. */
const BLOCKED = ',"action_id":2,"action":"Denied","disposition_id":2,"disposition":"Blocked"';
/** OCSF: a logon over the network. */
const LOGON_TYPE = ',"logon_type_id":3,"logon_type":"Network"';

function service({ source }: Context): string {
  return `,"service":{"name":"bqtape","uid":${json(source)}}`;
}

function request(userAgent: string | undefined): string {
  return userAgent === undefined
    ? ""
    : `,"http_request":{"user_agent":${json(short(userAgent, BOUNDS.name))}}`;
}

const KINDS: Readonly<Record<SessionEvent["type"], { readonly activity: number; readonly words: string }>> = {
  "session.started": { activity: AUTHENTICATION_ACTIVITY.logon, words: "began" },
  "session.renewed": { activity: AUTHENTICATION_ACTIVITY.other, words: "was renewed" },
  "session.ended": { activity: AUTHENTICATION_ACTIVITY.logoff, words: "ended" },
  "session.revoked": { activity: AUTHENTICATION_ACTIVITY.logoff, words: "was revoked" },
};
