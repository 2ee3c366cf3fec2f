/** What the API answers instead of what was asked for. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: ApiErrorCode;

  constructor(status: number, code: ApiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.code = code;
  }
}

/** For programs; messages are for people, and may change. docs/reference/errors.md tells of each. */
export const API_ERROR_CODES = [
  "unauthenticated",
  "forbidden",
  "invalid",
  "not-found",
  "session-over",
  "stale-token",
  "too-many-requests",
  "not-ready",
  "unavailable",
  "internal",
] as const;
export type ApiErrorCode = (typeof API_ERROR_CODES)[number];

/** The one answer to every token that is not accepted, and to none: why is not said. */
export function unauthenticated(): ApiError {
  return new ApiError(
    401,
    "unauthenticated",
    "this needs an ID token of a provider that the gateway trusts: bqtape login gets one",
  );
}
