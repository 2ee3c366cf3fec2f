import type { OperationSummary } from "../recording/events.ts";
import { type Description, MAX_NAME, type Operation, refuse } from "./description.ts";
import { visitBytes } from "./storage-protobuf.ts";
import type { ReadSessions, SessionTable } from "./storage-sessions.ts";

/**
 * Methods of BigQuery's Storage API (google/cloud/bigquery/storage/v1/storage.proto, and v1beta2, whose fields are the
 * same), and what the first field of their requests names.
 */
const METHODS: Readonly<Record<string, "session" | "read-stream" | "table" | "write-stream">> = {
  "BigQueryRead/CreateReadSession": "session",
  "BigQueryRead/ReadRows": "read-stream",
  "BigQueryRead/SplitReadStream": "read-stream",
  "BigQueryWrite/CreateWriteStream": "table",
  "BigQueryWrite/BatchCommitWriteStreams": "table",
  "BigQueryWrite/AppendRows": "write-stream",
  "BigQueryWrite/GetWriteStream": "write-stream",
  "BigQueryWrite/FinalizeWriteStream": "write-stream",
  "BigQueryWrite/FlushRows": "write-stream",
};

const PATH = /^\/google\.cloud\.bigquery\.storage\.v1(?:beta2)?\.(BigQuery(?:Read|Write)\/(\w+))$/;

/** Says from its path which operation of the Storage API a gRPC request is. */
export function describeStorage(method: string, path: string): Description {
  const [, qualified = "", name = ""] = PATH.exec(path) ?? [];
  if (method !== "POST" || !Object.hasOwn(METHODS, qualified)) {
    const shown = path.slice(0, 200);
    return refuse(
      403,
      "accessDenied",
      `${shown} is no method of BigQuery's Storage API that this gateway knows`,
    );
  }
  return {
    known: true,
    operation: { name: `storage.${name}`, body: name === "AppendRows" ? "messages" : "message" },
  };
}

const TABLE = /^projects\/([^/]+)\/datasets\/([^/]+)\/tables\/([^/]+)(\/.+)?$/;
const READ_STREAM = /^(projects\/([^/]+)\/locations\/([^/]+)\/sessions\/[^/]+)\/streams\/[^/]+$/;

/**
 * Adds what the first message tells: which table, which columns, which stream.
 *
 * @param message `undefined` when it could not be read
 */
export function describeMessage(
  operation: Operation,
  message: Buffer | undefined,
  sessions: ReadSessions,
): Description {
  const short = operation.name.slice("storage.".length);
  const kind = Object.entries(METHODS).find(([name]) => name.endsWith(`/${short}`))?.[1];
  const described =
    message === undefined
      ? undefined
      : kind === "session"
        ? newSession(message)
        : kind === "read-stream"
          ? ofReadStream(message, sessions)
          : ofTable(message, short === "BatchCommitWriteStreams");
  return described === undefined
    ? refuse(400, "invalid", `the message of ${operation.name} is not one that this gateway can read`)
    : { known: true, operation: { ...operation, ...described } };
}

/** The table that a write stream belongs to: `projects/{p}/datasets/{d}/tables/{t}`. */
export function tableOfWriteStream(stream: string): string | undefined {
  const [path, , , , rest = ""] = TABLE.exec(stream) ?? [];
  return path?.slice(0, path.length - rest.length);
}

function ofTable(message: Buffer, named: boolean): Partial<Operation> | undefined {
  const [path = ""] = strings(message, 1) ?? [];
  const [, project, dataset, table, rest] = TABLE.exec(path) ?? [];
  if (project === undefined || dataset === undefined || table === undefined) return undefined;
  // The streams that are committed together (field 2) must be of the table that is named (field 1).
  if (named) {
    const streams = strings(message, 2, true);
    if (streams?.every((stream) => tableOfWriteStream(stream) === path) !== true) return undefined;
  }
  return { project, dataset, table, ...(rest !== undefined && { stream: path }) };
}

function ofReadStream(message: Buffer, sessions: ReadSessions): Partial<Operation> | undefined {
  const [stream = ""] = strings(message, 1) ?? [];
  const [, session, project, location] = READ_STREAM.exec(stream) ?? [];
  if (session === undefined || project === undefined || location === undefined) return undefined;
  return { project, location, stream, ...sessions.table(session) };
}

/** CreateReadSessionRequest: parent = 1, read_session = 2 { table = 6, read_options = 8 { selected_fields = 1 } }. */
function newSession(message: Buffer): Partial<Operation> | undefined {
  const [parent = ""] = strings(message, 1) ?? [];
  const [session] = nested(message, 2) ?? [];
  const [, billingProject] = /^projects\/([^/]+)$/.exec(parent) ?? [];
  if (session === undefined || billingProject === undefined) return undefined;
  const [, project, dataset, table, rest] = TABLE.exec(strings(session, 6)?.[0] ?? "") ?? [];
  if (project === undefined || dataset === undefined || table === undefined || rest !== undefined)
    return undefined;
  const options = nested(session, 8);
  if (options === undefined) return undefined;
  const columns = options[0] === undefined ? [] : strings(options[0], 1, true);
  if (columns === undefined) return undefined;
  return {
    project,
    dataset,
    table,
    ...(columns.length > 0 && { columns }),
    ...(billingProject !== project && { billingProject }),
  };
}

/** What {@link ReadSessions} keeps of an operation that creates one, as its event has it. */
export function tableOf(operation: OperationSummary): SessionTable | undefined {
  const { project, dataset, table, columns, columnsTruncated } = operation;
  if (project === undefined || dataset === undefined || table === undefined) return undefined;
  return {
    project,
    dataset,
    table,
    ...(columns !== undefined && { columns }),
    ...(columnsTruncated === true && { columnsTruncated }),
  };
}

/** A table has at most as many columns (BigQuery quotas, "Maximum columns in a table"). */
const MAX_VALUES = 10_000;

/** A field's strings; `undefined` for what is not well-formed, too long, or has it twice when it is not `repeated`. */
function strings(message: Buffer, wanted: number, repeated = false): readonly string[] | undefined {
  const found: string[] = [];
  let sound = true;
  const whole = visitBytes(message, (number, bytes) => {
    if (number !== wanted) return;
    if (bytes.length <= MAX_NAME && found.length < (repeated ? MAX_VALUES : 1))
      found.push(bytes.toString("utf8"));
    else sound = false;
  });
  return whole && sound ? found : undefined;
}

/** An embedded message, or none; protobuf would merge several, which no client sends and a reader could read otherwise. */
function nested(message: Buffer, wanted: number): readonly Buffer[] | undefined {
  const found: Buffer[] = [];
  const whole = visitBytes(message, (number, bytes) => {
    if (number === wanted && found.length < 2) found.push(bytes);
  });
  return whole && found.length < 2 ? found : undefined;
}
