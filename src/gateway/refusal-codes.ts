import type { Over } from "../identity/session-state.ts";
import type { JournalErrorCode } from "../recording/errors.ts";

/** Kinds of failure that the gateway itself finds, as recordings have them; docs/reference/errors.md tells of each. */
export const REFUSAL_CODES = [
  "connect.malformed",
  "connect.authority",
  "connect.host",
  "tunnel.limit",
  "tunnel.dns",
  "tunnel.address",
  "tunnel.connect",
  "tunnel.idle",
  "request.malformed",
  "request.host",
  "request.protocol",
  "request.encoding",
  "request.form",
  "request.multipart",
  "request.upload",
  "request.too-long",
  "request.no-room",
  "request.timeout",
  "request.aborted",
  "session.exchanges",
  "credential",
  "credential.mismatch",
  "agent.gone",
  "agent.timeout",
  "exchange.timeout",
  "internal",
] as const;

/**
 * With those that say whose words they are: why a session is over, why the journal takes nothing, which rule denied, and the
 * code of the system, TLS or HTTP/2 with which BigQuery was out of reach.
 */
export type RefusalCode =
  | (typeof REFUSAL_CODES)[number]
  | `session.${Over}`
  | `recording.${JournalErrorCode}`
  | `denied.${string}`
  | `upstream.${string}`;
