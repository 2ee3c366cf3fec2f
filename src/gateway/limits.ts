/**
 * What one gateway process takes on at most: the configuration's `limits`. Sizes in bytes, times in milliseconds; none
 * can be switched off.
 */
export interface Limits {
  /** Body bytes held of one exchange and direction; from there on whoever sends is paused. */
  readonly exchangeBytes: number;
  /** Body bytes held over all exchanges. When they are used up, each exchange goes on with {@link SMALL_BODY} only. */
  readonly totalBytes: number;
  /** A JSON request, or the first part of a multipart upload: read whole before it is judged. */
  readonly jsonBody: number;
  /** A gRPC request's first message, likewise. */
  readonly message: number;
  /** Exchanges of one session at the same time. */
  readonly exchangesPerSession: number;
  /** Between two pieces of a request's body. */
  readonly requestIdle: number;
  /** For an agent to take what was sent to it. */
  readonly agentIdle: number;
  /** For TCP, TLS and HTTP/2's first frame upstream. */
  readonly connect: number;
  /** From a request to the head of its answer. BigQuery holds a `jobs.query` for up to 200 s (`timeoutMs`). */
  readonly answerHead: number;
  /** Between two pieces of an answer's body. */
  readonly answerIdle: number;
  /** For a whole exchange. */
  readonly total: number;
}

/** Body bytes that an exchange may always hold: small exchanges never wait for large ones. */
export const SMALL_BODY = 64 * 1024;

/** A step took longer than its bound. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
  readonly code = "ETIMEDOUT";
}
