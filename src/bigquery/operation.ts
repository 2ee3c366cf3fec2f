import { hash } from "node:crypto";
import { MAX_EVENT_SQL } from "../recording/events.ts";
import { type Description, MAX_NAME, type Operation, refuse } from "./description.ts";
import { hasMemberTwice } from "./json-members.ts";
import { unsafeParameter } from "./parameters.ts";
import { matchRoute } from "./routes.ts";
import { describeUpload, isUploadPath } from "./uploads.ts";

export type { Description, Operation, Undescribed } from "./description.ts";

const PREFIX = "/bigquery/v2/";
/** Prefixes of other doors to BigQuery, refused by name (each would carry work past the description). */
const OTHER_DOORS: readonly (readonly [prefix: string, name: string])[] = [
  ["/upload/", "this kind of upload"],
  ["/resumable/", "this kind of upload"],
  ["/batch", "batch"],
  ["/mcp", "Google's MCP server"],
  ["/discovery/", "API discovery"],
  ["/$discovery/", "API discovery"],
];

const NO_PARAMETERS = new URLSearchParams();

export interface RequestLine {
  readonly method: string;
  /** Request target in origin form. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Says from its head alone which operation a request is, or why it is none that may pass. */
export function describe({ method, target, headers }: RequestLine): Description {
  if (hidesHeader(headers.connection)) {
    return refuse(400, "invalid", "Connection names a header by which a request is described: leave it out");
  }
  // It has no fragment (RFC 9112, section 3.2): to one reader it ends there, to another it goes on.
  if (target.includes("#")) return refuse(400, "invalid", "a request target has no #: send it as %23");
  const [path = "", query = ""] = splitOnce(target, "?");
  const upload = isUploadPath(path);
  if (!upload && !path.startsWith(PREFIX)) return unknownDoor(path);
  const parameters = query === "" ? NO_PARAMETERS : new URLSearchParams(query);
  const unsafe = unsafeParameter(parameters, upload);
  if (unsafe !== undefined) return refuse(400, "invalid", unsafe);
  const override = headers["x-http-method-override"];
  const effective = override === undefined ? method : String(override).toUpperCase();
  if (override !== undefined && (method !== "POST" || !/^(GET|PUT|PATCH|DELETE)$/.test(effective))) {
    return refuse(
      400,
      "invalid",
      "X-HTTP-Method-Override goes with POST and names GET, PUT, PATCH or DELETE",
    );
  }
  if (upload) return describeUpload(effective, path, parameters, headers);
  const found = matchRoute(effective, path.slice(PREFIX.length));
  if (found === undefined) {
    return refuse(
      403,
      "accessDenied",
      `${effective} ${path.slice(0, 200)} is no method of BigQuery's REST API v2 that this gateway knows`,
    );
  }
  const location = parameters.get("location");
  const body = method === "GET" || method === "HEAD" ? "none" : "json";
  return { known: true, operation: { ...found, ...(location !== null && { location }), body } };
}

/**
 * What Connection names is not forwarded (RFC 9110, section 7.6.1): a request must not be described by what BigQuery does not see,
 * such as X-HTTP-Method-Override, Content-Type or X-Goog-Upload-Command.
 */
function hidesHeader(connection: string | string[] | undefined): boolean {
  const named = String(connection ?? "").split(",");
  return named.some((name) => /^(?:content-|x-goog-|x-http-method|x-upload-)/i.test(name.trim()));
}

function unknownDoor(path: string): Description {
  const door = OTHER_DOORS.find(([prefix]) => path.startsWith(prefix));
  const what =
    door === undefined
      ? `${path.slice(0, 100)} is no door to BigQuery that this gateway knows`
      : `${door[1]} (${door[0]}) is not served by this gateway`;
  return refuse(403, "accessDenied", what);
}

/** Adds what only the body tells: SQL, the table that is loaded, dry run, the job id and location that the client chose. */
export function describeBody(operation: Operation, body: Buffer): Description {
  if (operation.name !== "jobs.query" && operation.name !== "jobs.insert") return { known: true, operation };
  const json = body.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return refuse(400, "invalid", `the body of ${operation.name} is not JSON`);
  }
  if (hasMemberTwice(json, value)) {
    return refuse(400, "invalid", `the body of ${operation.name} has two members of one name in an object`);
  }
  const root = record(value);
  const reference = record(root.jobReference);
  const configuration = record(root.configuration);
  const query = operation.name === "jobs.query" ? root : record(configuration.query);
  const loaded = record(record(configuration.load).destinationTable);
  const dataset = text(loaded.datasetId);
  const table = text(loaded.tableId);
  const sql = text(query.query);
  const job = text(reference.jobId);
  const location = text(root.location) ?? text(reference.location);
  if ([dataset, table, job, location].some(isTooLong)) {
    return refuse(400, "invalid", `a name in the body of ${operation.name} is longer than ${MAX_NAME} bytes`);
  }
  const dryRun = operation.name === "jobs.query" ? root.dryRun : configuration.dryRun;
  return {
    known: true,
    operation: {
      ...operation,
      ...(sql !== undefined && statement(sql)),
      ...(dataset !== undefined && table !== undefined && { dataset, table }),
      ...(job !== undefined && { job }),
      ...(location !== undefined && { location }),
      ...(dryRun === true && { dryRun: true as const }),
    },
  };
}

function isTooLong(name: string | undefined): boolean {
  return name !== undefined && Buffer.byteLength(name) > MAX_NAME;
}

/** A statement as events carry it. One that is too long is cut, with what it takes to know the whole again. */
function statement(sql: string): Pick<Operation, "sql" | "sqlTruncated" | "sqlBytes" | "sqlSha256"> {
  if (sql.length <= MAX_EVENT_SQL) return { sql };
  const sqlSha256 = hash("sha256", sql, "hex");
  return {
    sql: sql.slice(0, MAX_EVENT_SQL),
    sqlTruncated: true,
    sqlBytes: Buffer.byteLength(sql),
    sqlSha256,
  };
}

function splitOnce(value: string, separator: string): [string, string?] {
  const at = value.indexOf(separator);
  return at < 0 ? [value] : [value.slice(0, at), value.slice(at + 1)];
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
