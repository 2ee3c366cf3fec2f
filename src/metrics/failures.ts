import type { ExchangeCompleted, ExchangeDenied } from "../recording/events.ts";

/**
 * Why agents do not get what they ask for. The gateway answers for four of them, {@link OWN_FAILURES}.
 *
 * - `agent`: left, or sent what cannot be read;
 * - `refused`: a ruling, or a way that the gateway does not serve;
 * - `session`: it is over, or has too much under way;
 * - `recording`: the journal takes nothing;
 * - `credential`: no access token was to be had, or BigQuery does not take it;
 * - `overload`: too many bytes are held;
 * - `internal`: an error that nobody foresaw;
 * - `upstream`: BigQuery could not be reached, did not answer in time, or broke off;
 * - `bigquery`: BigQuery answered with a server's error of its own;
 * - `tunnel`: the far end of a tunnel could not be reached.
 */
export const FAILURE_CAUSES = [
  "agent",
  "refused",
  "session",
  "recording",
  "credential",
  "overload",
  "internal",
  "upstream",
  "bigquery",
  "tunnel",
] as const;
export type FailureCause = (typeof FAILURE_CAUSES)[number];

/** What counts against the gateway's availability. */
export const OWN_FAILURES = ["recording", "credential", "overload", "internal"] as const;

/** By the error's code, or by what is in front of its first dot. */
const CAUSES: Readonly<Record<string, FailureCause>> = {
  "request.no-room": "overload",
  "tunnel.dns": "tunnel",
  "tunnel.connect": "tunnel",
  "tunnel.idle": "tunnel",
  "tunnel.limit": "session",
  "tunnel.address": "refused",
  "credential.mismatch": "refused",
  "recording.too-long": "agent",
  "connect.host": "refused",
  "request.protocol": "refused",
  "request.upload": "refused",
  // It is not said who was slow: BigQuery, for six hours, or the agent's own patience.
  exchange: "upstream",
  agent: "agent",
  request: "agent",
  connect: "agent",
  denied: "refused",
  session: "session",
  internal: "internal",
  recording: "recording",
  credential: "credential",
  upstream: "upstream",
};

/** google.rpc.Code: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS; what a server of HTTP tells by 5xx. */
const GRPC_SERVER_ERRORS: ReadonlySet<number> = new Set([2, 4, 13, 14, 15]);
const GRPC_UNAUTHENTICATED = 16;

/** Why an exchange failed; `undefined` of one that did not, whatever BigQuery had to say to it. */
export function failureOf(end: ExchangeCompleted | ExchangeDenied): FailureCause | undefined {
  const { error, answeredBy, status, grpcStatus } = end;
  if (error !== undefined) return causeOf(error.code);
  if (end.outcome === "denied") return "refused";
  if (answeredBy === "gateway") return undefined;
  // What BigQuery was shown is the gateway's, whatever the agent sent.
  if (status === 401 || grpcStatus === GRPC_UNAUTHENTICATED) return "credential";
  const failed = status >= 500 || (grpcStatus !== undefined && GRPC_SERVER_ERRORS.has(grpcStatus));
  return failed ? "bigquery" : undefined;
}

/** @param code a recorded error's. */
export function causeOf(code: string): FailureCause {
  return CAUSES[code] ?? CAUSES[code.split(".", 1)[0] ?? ""] ?? "internal";
}
