import type { Attributes } from "@opentelemetry/api";
import {
  ATTR_CLIENT_ADDRESS,
  ATTR_CLIENT_PORT,
  ATTR_DB_COLLECTION_NAME,
  ATTR_DB_NAMESPACE,
  ATTR_DB_OPERATION_NAME,
  ATTR_DB_SYSTEM_NAME,
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
  HTTP_REQUEST_METHOD_VALUE_OTHER,
} from "@opentelemetry/semantic-conventions";
import type { OperationSummary, RequestHead } from "../recording/events.ts";
import type { EndedExchange } from "../recording/recorder.ts";

/*
 * What is said of an exchange in its spans, by OpenTelemetry's semantic conventions 1.45.0; of what they have no name for, by
 * names that begin with `bqtape.`. No SQL, no body, no header, no query and no message: a tracing system is no place for
 * what only the recording may hold.
 */

/** The conventions' own package exports those that are not stable yet only for copying. */
const ATTR_HTTP_REQUEST_BODY_SIZE = "http.request.body.size";
const ATTR_HTTP_RESPONSE_BODY_SIZE = "http.response.body.size";
const ATTR_SESSION_ID = "session.id";
/** In place of `enduser.id`, which the conventions for servers have no more. */
const ATTR_USER_NAME = "user.name";

/** BigQuery has no value among the conventions' own yet; made as theirs are, `gcp.spanner`. */
const BIGQUERY = "gcp.bigquery";
/** Characters of a path, or of a name in it, that are kept. */
const MAX_LENGTH = 1_024;
const METHODS: ReadonlySet<string> = new Set(
  "CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE".split(" "),
);

/** Operations that are none of BigQuery's. */
const NOT_BIGQUERY: ReadonlySet<string> = new Set(["tunnel", "oauth2.token", "unknown"]);

/** Names of `google.rpc.Code`, by number. */
const GRPC_CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];
/** With these, it is the server that failed ("Semantic conventions for gRPC", status). */
const GRPC_SERVER_FAILURES: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

/** Of the span of an exchange. */
export function exchangeAttributes(ended: EndedExchange): Attributes {
  const { requested, end } = ended;
  const refused = "refused" in end ? end.refused : undefined;
  const asked = requested ?? refused;
  return defined({
    ...requestAttributes(asked?.request),
    ...operationAttributes(requested?.operation),
    ...answerAttributes(ended),
    [ATTR_CLIENT_ADDRESS]: asked?.source.address,
    [ATTR_CLIENT_PORT]: asked?.source.port,
    [ATTR_NETWORK_PROTOCOL_VERSION]: protocolVersion(asked?.request.httpVersion),
    [ATTR_USER_NAME]: asked?.user,
    [ATTR_SESSION_ID]: end.session,
    [ATTR_HTTP_REQUEST_BODY_SIZE]: end.request.bytes,
    [ATTR_HTTP_RESPONSE_BODY_SIZE]: end.response.bytes,
    "bqtape.exchange": end.exchange,
    "bqtape.effect": requested?.decision.effect ?? "deny",
    "bqtape.rule": requested?.decision.rule,
    "bqtape.outcome": end.outcome,
  });
}

/** Of the span of its request upstream. */
export function upstreamAttributes(ended: EndedExchange): Attributes {
  const { requested, end } = ended;
  return defined({
    ...requestAttributes(requested?.request),
    ...operationAttributes(requested?.operation),
    // What the gateway answers in upstream's place, upstream has not said.
    ...(end.answeredBy === "upstream" && answerAttributes(ended)),
    "bqtape.credential": end.credential,
  });
}

/** Why an exchange failed, as a word; `undefined` when it did not: what was denied was dealt with as it should be. */
export function failure({ end }: EndedExchange): string | undefined {
  const { outcome, status, grpcStatus, error } = end;
  if (outcome === "aborted") return error?.code ?? "aborted";
  if (grpcStatus !== undefined)
    return GRPC_SERVER_FAILURES.has(grpcStatus) ? (error?.code ?? grpcCode(grpcStatus)) : undefined;
  return status >= 500 ? (error?.code ?? String(status)) : undefined;
}

/** Why its request upstream failed: for whoever asks, what upstream refuses is a failure too. */
export function upstreamFailure(ended: EndedExchange): string | undefined {
  const { answeredBy, outcome, status, grpcStatus, error } = ended.end;
  if (answeredBy === "gateway" || outcome === "aborted") return error?.code ?? outcome;
  if (grpcStatus !== undefined) return grpcStatus === 0 ? undefined : grpcCode(grpcStatus);
  return status >= 400 ? String(status) : undefined;
}

/** Where an authority is one, its host and port. */
export function serverOf(request: RequestHead | undefined): { host: string; port: number } | undefined {
  const [, host, port] = /^\[?([a-z0-9.:-]{1,253})\]?:(\d{1,5})$/.exec(request?.authority ?? "") ?? [];
  return host === undefined ? undefined : { host, port: Number(port) };
}

type Known = Readonly<Record<string, string | number | undefined>>;

function requestAttributes(request: RequestHead | undefined): Known {
  if (request === undefined) return {};
  const { method, target } = request;
  const server = serverOf(request);
  return {
    [ATTR_HTTP_REQUEST_METHOD]: METHODS.has(method) ? method : HTTP_REQUEST_METHOD_VALUE_OTHER,
    [ATTR_URL_SCHEME]: target.startsWith("/") ? "https" : undefined,
    [ATTR_URL_PATH]: target.startsWith("/")
      ? (target.split("?", 1)[0] ?? "").slice(0, MAX_LENGTH)
      : undefined,
    [ATTR_SERVER_ADDRESS]: server?.host,
    [ATTR_SERVER_PORT]: server?.port,
  };
}

/** Of HTTP, without a zero behind the dot ("network.protocol.version"). */
function protocolVersion(version: string | undefined): string | undefined {
  return version === "" ? undefined : version?.replace(/\.0$/, "");
}

function operationAttributes(operation: OperationSummary | undefined): Known {
  if (operation === undefined || NOT_BIGQUERY.has(operation.name)) return {};
  const { name, project, dataset, table, job } = operation;
  const namespace = [project, dataset].filter((each) => each !== undefined).join("|");
  return {
    [ATTR_DB_SYSTEM_NAME]: BIGQUERY,
    [ATTR_DB_OPERATION_NAME]: name,
    [ATTR_DB_NAMESPACE]: namespace === "" ? undefined : namespace.slice(0, MAX_LENGTH),
    [ATTR_DB_COLLECTION_NAME]: table?.slice(0, MAX_LENGTH),
    "bqtape.job": job?.slice(0, MAX_LENGTH),
  };
}

function answerAttributes({ requested, end }: EndedExchange): Known {
  const { status, grpcStatus, error } = end;
  const target = requested?.request.target ?? "";
  return {
    [ATTR_HTTP_RESPONSE_STATUS_CODE]: status === 0 ? undefined : status,
    [ATTR_ERROR_TYPE]: error?.code ?? (status >= 500 ? String(status) : undefined),
    ...(grpcStatus !== undefined && {
      [ATTR_RPC_SYSTEM_NAME]: "grpc",
      [ATTR_RPC_METHOD]: target.slice(1, MAX_LENGTH),
      [ATTR_RPC_STATUS_CODE]: grpcCode(grpcStatus),
    }),
  };
}

function grpcCode(status: number): string {
  return GRPC_CODES[status] ?? String(status);
}

function defined(attributes: Known): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
