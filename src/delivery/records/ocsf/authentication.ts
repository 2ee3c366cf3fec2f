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
import { baseEvent, type Context, chainMembers, fitEvent } from "./event.ts";
import { type Json, part } from "./json.ts";
import { sourceEndpoint, userOf } from "./objects.ts";
import { bounded } from "./scene.ts";

/** What happens to a session. */
export type SessionEvent = SessionStarted | SessionRenewed | SessionEnded | SessionRevoked;

/** The value of a session's event: OCSF Authentication, a Logon, a Logoff, or a renewal. */
export function sessionEvent(context: Context, event: SessionEvent, principal: KnownPrincipal): Json {
  const { type, session, source, userAgent, time } = event;
  const { activity, words } = KINDS[type];
  const started = type === "session.started" ? event : undefined;
  const revoked = type === "session.revoked" ? event : undefined;
  const over = type === "session.ended" ? event : revoked;
  const renewed = type === "session.renewed" ? event : undefined;
  const expires = started?.expiresAt;
  const base = baseEvent(context, {
    activity: { class: AUTHENTICATION, id: activity },
    severity: revoked === undefined ? "informational" : "medium",
    message: `${principal.user}: session ${session} ${words}`,
    session,
    profiles: ["security_control"],
  });
  const rest = {
    status_id: 1,
    status: "Success",
    ...(revoked === undefined ? ALLOWED : DENIED),
    session: {
      uid: session,
      issuer: principal.issuer,
      created_time: started === undefined ? undefined : wholeMilliseconds(time),
      expiration_time: expires === undefined ? undefined : wholeMilliseconds(expires),
      expiration_reason: over === undefined ? undefined : short(over.because, BOUNDS.words),
    },
    ...network(context, userAgent),
    unmapped: {
      gateway_run: context.run?.gateway,
      ...chainMembers(context),
      groups_left_out: principal.moreGroups,
      agent: bounded(started?.agent),
      purpose: bounded(started?.purpose),
      renew_before: renewed === undefined ? undefined : wholeMilliseconds(renewed.renewBefore),
      revoked_by: bounded(revoked?.by.user),
      revoked_by_subject: bounded(revoked?.by.subject),
      revoked_by_issuer: bounded(revoked?.by.issuer),
    },
  };
  // What a gateway does by itself comes from nowhere.
  const from = started === undefined && source === undefined ? undefined : sourceEndpoint(source);
  return fitEvent(
    `${base},"user":${userOf(undefined, principal)}${part(',"src_endpoint":', from)},${members(rest)}}`,
  );
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
  const rest = {
    status_id: 2,
    status: "Failure",
    status_code: short(reason, BOUNDS.name),
    ...DENIED,
    ...network(context, userAgent),
    unmapped: { gateway_run: context.run?.gateway, ...chainMembers(context), suppressed },
  };
  return fitEvent(
    `${base},"user":${userOf(undefined, undefined)},"src_endpoint":${sourceEndpoint(source)},${members(rest)}}`,
  );
}

/** How they came: OCSF calls it a logon over the network. */
function network({ source }: Context, userAgent: string | undefined) {
  return {
    service: { name: "bqtape", uid: source },
    http_request: userAgent === undefined ? undefined : { user_agent: short(userAgent, BOUNDS.name) },
    logon_type_id: 3,
    logon_type: "Network",
  };
}

/** The members of an object that has some: these events are few, so what they cost does not matter. */
function members(attributes: object): string {
  return JSON.stringify(attributes).slice(1, -1);
}

const ALLOWED = { action_id: 1, action: "Allowed", disposition_id: 1, disposition: "Allowed" };
/** Also where access is taken away. */
const DENIED = { action_id: 2, action: "Denied", disposition_id: 2, disposition: "Blocked" };

const KINDS: Readonly<Record<SessionEvent["type"], { readonly activity: number; readonly words: string }>> = {
  "session.started": { activity: AUTHENTICATION_ACTIVITY.logon, words: "began" },
  "session.renewed": { activity: AUTHENTICATION_ACTIVITY.other, words: "was renewed" },
  "session.ended": { activity: AUTHENTICATION_ACTIVITY.logoff, words: "ended" },
  "session.revoked": { activity: AUTHENTICATION_ACTIVITY.logoff, words: "was revoked" },
};
