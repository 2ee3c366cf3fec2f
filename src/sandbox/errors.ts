/** Reasons of BigQuery's "Error messages" page that the sandbox gives. */
export type Reason =
  | "accessDenied"
  | "authError"
  | "badRequest"
  | "bytesBilledLimitExceeded"
  | "duplicate"
  | "insufficientPermissions"
  | "internalError"
  | "invalid"
  | "invalidParameter"
  | "invalidQuery"
  | "notFound"
  | "notImplemented"
  | "parseError"
  | "required"
  | "resourceInUse"
  | "resourcesExceeded"
  | "stopped"
  | "uploadTooLarge";

/** Google's ErrorProto, as in `errors[]` of an error answer and of a job's status. */
export interface ErrorProto {
  message: string;
  reason: Reason;
  location?: string;
  locationType?: string;
}

/** The google.rpc.Code name that goes with a status, in the answer's `error.status`. */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  409: "ALREADY_EXISTS",
  413: "INVALID_ARGUMENT",
  500: "INTERNAL",
  501: "UNIMPLEMENTED",
  503: "UNAVAILABLE",
};

/** A refusal as BigQuery words it: an HTTP status, a reason and, where there is one, the place at fault. */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: Reason;
  readonly location: string | undefined;
  readonly locationType: string | undefined;

  constructor(
    status: number,
    reason: Reason,
    message: string,
    place?: { location: string; locationType?: string },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
    this.location = place?.location;
    this.locationType = place?.locationType;
  }

  toProto(): ErrorProto {
    return {
      message: this.message,
      reason: this.reason,
      ...(this.location === undefined ? {} : { location: this.location }),
      ...(this.locationType === undefined ? {} : { locationType: this.locationType }),
    };
  }

  /** The body of the error answer. */
  toBody(): object {
    return {
      error: {
        code: this.status,
        message: this.message,
        errors: [{ ...this.toProto(), domain: "global" }],
        status: STATUS_NAMES[this.status] ?? "UNKNOWN",
      },
    };
  }
}

/** A statement that BigQuery, or the sandbox, does not take. */
export function invalidQuery(message: string, cause?: unknown): ApiError {
  return new ApiError(
    400,
    "invalidQuery",
    message,
    { location: "query", locationType: "parameter" },
    { cause },
  );
}

export function invalid(message: string, parameter?: string): ApiError {
  const place = parameter === undefined ? undefined : { location: parameter, locationType: "parameter" };
  return new ApiError(400, "invalid", message, place);
}

export function required(parameter: string): ApiError {
  return new ApiError(400, "required", `Required parameter is missing: ${parameter}`, {
    location: parameter,
    locationType: "parameter",
  });
}

export function notFound(what: string): ApiError {
  return new ApiError(404, "notFound", `Not found: ${what}`);
}

export function duplicate(what: string): ApiError {
  return new ApiError(409, "duplicate", `Already Exists: ${what}`);
}

export function notImplemented(what: string): ApiError {
  return new ApiError(501, "notImplemented", `The bqtape sandbox does not serve ${what}.`);
}
