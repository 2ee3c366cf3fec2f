/**
 * What one gateway process takes on at most. Sizes in bytes, times in milliseconds. Each bound has a default that suits
 * a gateway beside its agents; none can be switched off.
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

export const DEFAULT_LIMITS: Limits = {
  exchangeBytes: 1024 * 1024,
  totalBytes: 64 * 1024 * 1024,
  // BigQuery's own limit for a request (BigQuery quotas, "API request size").
  jsonBody: 10 * 1024 * 1024,
  // AppendRows is the one that can be large (BigQuery quotas, Storage Write API, "Request size").
  message: 20 * 1024 * 1024,
  exchangesPerSession: 256,
  requestIdle: 60_000,
  agentIdle: 300_000,
  connect: 10_000,
  answerHead: 240_000,
  answerIdle: 120_000,
  total: 6 * 3_600_000,
};

/** Body bytes that an exchange may always hold: small exchanges never wait for large ones. */
export const SMALL_BODY = 64 * 1024;

/** A step took longer than its bound. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
  readonly code = "ETIMEDOUT";
}
