/**
 * Reasons of BigQuery's error table that the gateway uses (BigQuery documentation, "Error messages"). Clients decide by
 * them whether to retry: `backendError` is retried, the others are not.
 */
export type ErrorReason = "accessDenied" | "backendError" | "invalid" | "notFound" | "quotaExceeded";

/** google.rpc.Code names, as the JSON errors of Google's APIs carry them. */
const STATUS: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  413: "INVALID_ARGUMENT",
  421: "INVALID_ARGUMENT",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/** An error in BigQuery's own JSON, so that every client shows its message to a person. */
export function errorBody(status: number, reason: ErrorReason, message: string): Buffer {
  const error = {
    code: status,
    message,
    errors: [{ message, domain: "global", reason }],
    status: STATUS[status] ?? "UNKNOWN",
  };
  return Buffer.from(JSON.stringify({ error }));
}
