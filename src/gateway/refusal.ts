import { type ErrorReason, errorBody } from "../bigquery/errors.ts";
import { CredentialError } from "../credentials/credential.ts";
import { SessionOver } from "../identity/live-session.ts";
import { JournalError, systemCode } from "../recording/errors.ts";
import { AgentGone, type AgentSide } from "./agent.ts";
import type { RefusalCode } from "./refusal-codes.ts";

/** An exchange that the gateway ends itself, in BigQuery's words. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly reason: ErrorReason;
  /** For recordings: what kind of failure it was. */
  readonly code: RefusalCode;

  constructor(
    status: number,
    reason: ErrorReason,
    code: RefusalCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message.startsWith("bqtape: ") ? message : `bqtape: ${message}`, options);
    this.status = status;
    this.reason = reason;
    this.code = code;
  }
}

/**
 * What the agent is told of a failure, before any of an answer was given to it.
 *
 * @param sent whether BigQuery may have the request
 */
export function toRefusal(error: unknown, sent = false): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof AgentGone) return new Refusal(499, "invalid", "agent.gone", error.message);
  if (error instanceof SessionOver) {
    const message = `this session is over (${error.over}): open another, with bqtape run, say`;
    return new Refusal(403, "accessDenied", `session.${error.over}`, message);
  }
  if (error instanceof JournalError && error.code === "too-long") {
    const message = "this request is too long to be recorded, so it was not sent to BigQuery; send less";
    return new Refusal(413, "invalid", "recording.too-long", message, { cause: error });
  }
  if (error instanceof JournalError) {
    // The cause may name paths: it is for the operator's log, not for the agent.
    const message = sent
      ? "the rest of this exchange cannot be recorded now, so it ends here; BigQuery may have carried the request out"
      : "this request cannot be recorded now, so it was not sent to BigQuery; it may be tried again";
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
  // No code of the system's and none of a library's: not a failure of the network, but of this program.
  if (code === undefined) {
    const message = "the gateway failed at this request; its operator finds the reason in its log";
    return new Refusal(500, "backendError", "internal", message, { cause: error });
  }
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
function rootCode(error: unknown): string | undefined {
  let code: string | undefined;
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    code = systemCode(at) ?? code;
  }
  return code;
}

/** What was sent in the gateway's name. */
export interface Refused {
  readonly status: number;
  readonly body: Buffer;
  readonly grpcStatus?: number;
}

const NOTHING = Buffer.alloc(0);

/** Sends a refusal in the agent's own protocol, the exchange's id with it. */
export function sendRefusal(agent: AgentSide, refusal: Refusal, exchange: string): Refused {
  const refused = agent.request.grpc ? ofGrpc(refusal) : ofRest(refusal);
  agent.answer(refused.status, [...refused.headers, "bqtape-exchange", exchange], refused.body);
  return refused;
}

function ofRest({ status, reason, message }: Refusal): Refused & { readonly headers: readonly string[] } {
  const body = errorBody(status, reason, message);
  const type = ["content-type", "application/json; charset=UTF-8"];
  const headers = [...type, "content-length", String(body.length), "cache-control", "no-store"];
  return { status, body, headers };
}

/** "Trailers-Only" of "gRPC over HTTP2": the status is in the head, and nothing follows. */
function ofGrpc(refusal: Refusal): Refused & { readonly headers: readonly string[] } {
  const grpcStatus = grpcStatusOf(refusal);
  const headers = ["content-type", "application/grpc", "grpc-status", String(grpcStatus)];
  return {
    status: 200,
    body: NOTHING,
    grpcStatus,
    headers: [...headers, "grpc-message", percentEncoded(refusal.message)],
  };
}

/** google.rpc.Code: what clients act on. Of these only UNAVAILABLE (14) is tried again by them. */
function grpcStatusOf({ status, reason }: Refusal): number {
  if (reason === "quotaExceeded") return 8;
  const codes: Readonly<Record<number, number>> = {
    400: 3,
    403: 7,
    404: 5,
    408: 4,
    413: 8,
    421: 3,
    500: 13,
    502: 13,
    504: 4,
  };
  return codes[status] ?? 14;
}

/** `grpc-message`: bytes outside of 0x20 to 0x7E, and the percent sign, as %XX. */
function percentEncoded(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]+/gu, (part) =>
    Buffer.from(part).reduce(
      (text, byte) => `${text}%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
      "",
    ),
  );
}
