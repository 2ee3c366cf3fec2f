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
import { type Attributes, baseEvent, type Context, encodeEvent } from "./event.ts";
import { sourceEndpoint, userOf } from "./objects.ts";
import { bounded } from "./scene.ts";

/** What happens to a session. */
export type SessionEvent = SessionStarted | SessionRenewed | SessionEnded | SessionRevoked;

/** The value of a session's event: OCSF Authentication, a Logon, a Logoff, or a renewal. */
export function sessionEvent(context: Context, event: SessionEvent, principal: KnownPrincipal): string {
  const { type, session, source, userAgent, time } = event;
  const { activity, words } = KINDS[type];
  const started = type === "session.started" ? event : undefined;
  const revoked = type === "session.revoked" ? event : undefined;
  const over = type === "session.ended" ? event : revoked;
  const renewed = type === "session.renewed" ? event : undefined;
  const expires = started?.expiresAt;
  return encodeEvent({
    ...baseEvent(context, {
      activity: { class: AUTHENTICATION, id: activity },
      severity: revoked === undefined ? "informational" : "medium",
      message: `${principal.user}: session ${session} ${words}`,
      session,
      profiles: ["security_control"],
    }),
    status_id: 1,
    status: "Success",
    ...(revoked === undefined ? ALLOWED : REVOKED),
    user: userOf(undefined, principal),
    session: {
      uid: session,
      issuer: principal.issuer,
      created_time: started === undefined ? undefined : wholeMilliseconds(time),
      expiration_time: expires === undefined ? undefined : wholeMilliseconds(expires),
      expiration_reason: over === undefined ? undefined : short(over.because, BOUNDS.words),
    },
    service: { name: "bqtape", uid: context.source },
    // What a gateway does by itself comes from nowhere.
    src_endpoint: type !== "session.started" && source === undefined ? undefined : sourceEndpoint(source),
    http_request: userAgent === undefined ? undefined : { user_agent: short(userAgent, BOUNDS.name) },
    // OCSF: a logon over the network.
    logon_type_id: 3,
    logon_type: "Network",
    unmapped: {
      gateway_run: context.run?.gateway,
      groups_left_out: principal.moreGroups,
      agent: bounded(started?.agent),
      purpose: bounded(started?.purpose),
      renew_before: renewed === undefined ? undefined : wholeMilliseconds(renewed.renewBefore),
      revoked_by: bounded(revoked?.by.user),
      revoked_by_subject: bounded(revoked?.by.subject),
      revoked_by_issuer: bounded(revoked?.by.issuer),
    },
  });
}

/** The value of a refused identity's event: OCSF Authentication, a Logon that failed. */
export function refusedEvent(context: Context, event: IdentityRefused): string {
  const { source, userAgent, reason, suppressed } = event;
  const more = suppressed > 0 ? `, and ${suppressed} more times` : "";
  return encodeEvent({
    ...baseEvent(context, {
      activity: { class: AUTHENTICATION, id: AUTHENTICATION_ACTIVITY.logon },
      severity: "low",
      message: `an unknown identity was refused (${short(reason, 64)})${more}`,
      profiles: ["security_control"],
    }),
    status_id: 2,
    status: "Failure",
    status_code: short(reason, BOUNDS.name),
    action_id: 2,
    action: "Denied",
    disposition_id: 2,
    disposition: "Blocked",
    user: userOf(undefined, undefined),
    service: { name: "bqtape", uid: context.source },
    src_endpoint: sourceEndpoint(source),
    http_request: userAgent === undefined ? undefined : { user_agent: short(userAgent, BOUNDS.name) },
    logon_type_id: 3,
    logon_type: "Network",
    unmapped: { gateway_run: context.run?.gateway, suppressed },
  });
}

const ALLOWED: Attributes = { action_id: 1, action: "Allowed", disposition_id: 1, disposition: "Allowed" };
/** OCSF: access was taken away. */
const REVOKED: Attributes = { action_id: 2, action: "Denied", disposition_id: 2, disposition: "Blocked" };

const KINDS: Readonly<Record<SessionEvent["type"], { readonly activity: number; readonly words: string }>> = {
  "session.started": { activity: AUTHENTICATION_ACTIVITY.logon, words: "began" },
  "session.renewed": { activity: AUTHENTICATION_ACTIVITY.other, words: "was renewed" },
  "session.ended": { activity: AUTHENTICATION_ACTIVITY.logoff, words: "ended" },
  "session.revoked": { activity: AUTHENTICATION_ACTIVITY.logoff, words: "was revoked" },
};
