import type { Checkpoint, GatewayStarted, GatewayStopped } from "../../recording/events.ts";
import { APPLICATION_ERROR, LIFECYCLE } from "./ocsf/classes.ts";
import { baseEvent, type Context, chainMembers, fitEvent, product } from "./ocsf/event.ts";
import type { Json } from "./ocsf/json.ts";
import { short } from "./text.ts";

export { refusedEvent, type SessionEvent, sessionEvent } from "./ocsf/authentication.ts";
export { type Context, MAX_EVENT_BYTES, type OcsfEvent, type Run } from "./ocsf/event.ts";
export { exchangeEvent } from "./ocsf/exchange.ts";
export { type End, passedUnseen, type Scene } from "./ocsf/scene.ts";

const SUCCESS = ',"status_id":1,"status":"Success"';

/** The value of a gateway's start or stop: OCSF Application Lifecycle. */
export function gatewayEvent(context: Context, event: GatewayStarted | GatewayStopped): Json {
  const started = event.type === "gateway.started";
  const base = baseEvent(context, {
    activity: { class: LIFECYCLE, id: started ? 3 : 4 },
    severity: "informational",
    message: `bqtape ${started ? `${short(event.version, 64)} started` : "stopped"}`,
  });
  const rest = {
    gateway_run: event.gateway,
    ...chainMembers(context),
    truncated_bytes: started ? event.truncatedBytes : undefined,
  };
  return fitEvent(`${base}${SUCCESS},"app":${product(context)},"unmapped":${JSON.stringify(rest)}}`);
}

/** The value of a checkpoint's event: OCSF Application Lifecycle. */
export function checkpointEvent(context: Context, event: Checkpoint): Json {
  const { because, heads, kid, last, session, signature } = event;
  const what = session === undefined ? "the gateway's own events" : `session ${session}`;
  const base = baseEvent(context, {
    activity: { class: LIFECYCLE, id: 99 },
    severity: "informational",
    message: `bqtape signed the recording of ${what}`,
    session,
  });
  const rest = {
    gateway_run: context.run?.gateway,
    ...chainMembers(context),
    checkpoint_because: because,
    checkpoint_last: last,
    checkpoint_key: kid,
    checkpoint_signature: signature,
    checkpoint_heads: heads,
  };
  return fitEvent(`${base}${SUCCESS},"app":${product(context)},"unmapped":${JSON.stringify(rest)}}`);
}

/** Positions of a journal whose records cannot be delivered. */
export interface LostRecords {
  readonly from: number;
  readonly to: number;
  /** `unreadable`: sound bytes that this version cannot make an event of. */
  readonly reason: "damaged" | "missing" | "unreadable";
}

/** The value of a gap's event: OCSF Application Error. */
export function gapEvent(context: Context, { from, to, reason }: LostRecords): Json {
  const base = baseEvent(context, {
    activity: { class: APPLICATION_ERROR, id: 1 },
    severity: "high",
    message: `the recording has a gap: ${to - from} bytes of the journal are ${reason}`,
    profiles: ["security_control"],
  });
  const rest = {
    gateway_run: context.run?.gateway,
    gap_from: from,
    gap_to: to,
    gap_bytes: to - from,
    gap_reason: reason,
  };
  const failure = `,"is_alert":true,"status_id":2,"status":"Failure","status_code":"${reason}"`;
  return fitEvent(`${base}${failure},"unmapped":${JSON.stringify(rest)}}`);
}
