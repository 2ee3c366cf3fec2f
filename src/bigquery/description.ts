import type { OperationSummary } from "../recording/events.ts";
import type { ErrorReason } from "./errors.ts";

/**
 * Bytes of a name that a body has, at most: a body may be megabytes, and its names are in the event, where a control character
 * takes six. BigQuery's own have 1,024 characters.
 */
export const MAX_NAME = 8_192;

/** A request that the gateway can describe. */
export interface Operation extends OperationSummary {
  readonly body: RequestBody;
  /** The resumable upload that it goes on with. */
  readonly uploadId?: string;
  /** What the gateway gave it with its address. */
  readonly uploadTag?: string;
}

/**
 * How a request's body is read before anything is decided:
 * - `none`: there is none, or nothing looks into it;
 * - `json`, `message`: whole, a JSON text (which may carry SQL) or one gRPC message;
 * - `multipart`, `messages`: its first part, or first message; the rest passes as it comes;
 * - `stream`: not at all; it passes as it comes.
 */
export type RequestBody = "none" | "json" | "multipart" | "stream" | "message" | "messages";

/** A request that it cannot, and so does not pass. */
export interface Undescribed {
  readonly status: number;
  readonly reason: ErrorReason;
  readonly message: string;
}

export type Description =
  | { readonly known: true; readonly operation: Operation }
  | { readonly known: false; readonly refusal: Undescribed };

/** Why a request does not pass, in words for people. */
export function refuse(status: number, reason: ErrorReason, message: string): Description {
  return { known: false, refusal: { status, reason, message: `bqtape: ${message}` } };
}
