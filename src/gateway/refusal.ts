import type { ServerResponse } from "node:http";
import { type ErrorReason, errorBody } from "../bigquery/errors.ts";
import { CredentialError } from "../credentials/credential.ts";
import { JournalError, systemCode } from "../recording/errors.ts";

/** An exchange that the gateway ends itself, in BigQuery's words. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly reason: ErrorReason;
  /** For recordings: what kind of failure it was. */
  readonly code: string;

  constructor(status: number, reason: ErrorReason, code: string, message: string, options?: ErrorOptions) {
    super(message.startsWith("bqtape: ") ? message : `bqtape: ${message}`, options);
    this.status = status;
    this.reason = reason;
    this.code = code;
  }
}

/** What the agent is told of a failure, before any of an answer was sent. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof JournalError) {
    // The cause may name paths: it is for the operator's log, not for the agent.
    const message =
      "this request cannot be recorded now, so it was not sent to BigQuery; it may be tried again";
    return new Refusal(503, "backendError", `recording.${error.code}`, message, { cause: error });
  }
  if (error instanceof CredentialError) {
    const message =
      "the gateway has no credential for BigQuery now; its operator finds the reason in its log";
    return new Refusal(503, "backendError", "credential", message, { cause: error });
  }
  return upstreamRefusal(error);
}

const TIMEOUTS: ReadonlySet<string> = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ETIMEDOUT",
]);

function upstreamRefusal(error: unknown): Refusal {
  const code = rootCode(error);
  if (TIMEOUTS.has(code)) {
    return new Refusal(504, "backendError", `upstream.${code}`, `BigQuery did not answer in time (${code})`, {
      cause: error,
    });
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code)) {
    const message = `BigQuery's certificate was not accepted (${code}); the gateway's operator can trust another authority with upstream.caFile`;
    return new Refusal(502, "backendError", `upstream.${code}`, message, { cause: error });
  }
  return new Refusal(503, "backendError", `upstream.${code}`, `BigQuery cannot be reached (${code})`, {
    cause: error,
  });
}

/** The innermost code of an error's cause chain: outer ones only say that something went wrong. */
function rootCode(error: unknown): string {
  let code = "UNKNOWN";
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    code = systemCode(at) ?? code;
  }
  return code;
}

/** Sends a refusal; the connection is closed, since what is left of the request was not read. */
export function sendRefusal(response: ServerResponse, refusal: Refusal): Buffer {
  const body = errorBody(refusal.status, refusal.reason, refusal.message);
  response.writeHead(refusal.status, {
    "content-type": "application/json; charset=UTF-8",
    "content-length": body.length,
    "cache-control": "no-store",
    connection: "close",
  });
  response.end(body);
  return body;
}
