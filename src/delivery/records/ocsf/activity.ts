import type { Asked } from "../asked.ts";
import { API, API_ACTIVITY, DATASTORE, DATASTORE_ACTIVITY, type EventClass, HTTP } from "./classes.ts";

/** What kind of event an exchange makes. */
export interface Activity {
  readonly class: EventClass;
  readonly id: number;
}

/**
 * The class and activity of what was asked.
 *
 * @param statementType as BigQuery's answer says it (`SELECT`, `CREATE_TABLE` …), when there was one.
 */
export function activityOf({ operation, request, statement }: Asked, statementType?: string): Activity {
  if (operation === undefined) return request.method === "CONNECT" ? CONNECT : UNKNOWN;
  const { name } = operation;
  if (name === "tunnel") return CONNECT;
  const dot = name.indexOf(".");
  const resource = name.slice(0, Math.max(0, dot));
  const verb = name.slice(dot + 1);
  if (resource === "storage") return READING_STORAGE.has(verb) ? datastore("read") : datastore("write");
  if (name === "jobs.query" || (name === "jobs.insert" && statement !== undefined)) {
    return datastore(ofStatement(statementType));
  }
  // Without a statement, a job that names a table is one that loads it.
  if (name === "jobs.insert" && (operation.table !== undefined || operation.upload !== undefined)) {
    return datastore("write");
  }
  const data = DATA.get(name) ?? (METADATA.has(resource) ? METADATA_VERBS.get(verb) : undefined);
  if (data !== undefined) return datastore(data);
  return { class: API, id: API_ACTIVITY[API_VERBS.get(verb) ?? "other"] };
}

export const CONNECT: Activity = { class: HTTP, id: 1 };
export const UNKNOWN: Activity = { class: API, id: API_ACTIVITY.other };

type DatastoreActivity = keyof typeof DATASTORE_ACTIVITY;

function datastore(activity: DatastoreActivity): Activity {
  return { class: DATASTORE, id: DATASTORE_ACTIVITY[activity] };
}

const READING_STORAGE: ReadonlySet<string> = new Set([
  "CreateReadSession",
  "ReadRows",
  "SplitReadStream",
  "GetWriteStream",
]);

const DATA: ReadonlyMap<string, DatastoreActivity> = new Map([
  ["jobs.getQueryResults", "read"],
  ["tabledata.list", "read"],
  ["tabledata.insertAll", "write"],
]);

const METADATA: ReadonlySet<string> = new Set(["datasets", "tables", "routines", "models"]);

const METADATA_VERBS: ReadonlyMap<string, DatastoreActivity> = new Map([
  ["list", "list"],
  ["get", "read"],
  ["insert", "create"],
  ["undelete", "create"],
  ["update", "update"],
  ["patch", "update"],
  ["delete", "delete"],
]);

const API_VERBS: ReadonlyMap<string, keyof typeof API_ACTIVITY> = new Map([
  ["insert", "create"],
  ["token", "create"],
  ["list", "read"],
  ["get", "read"],
  ["getServiceAccount", "read"],
  ["getIamPolicy", "read"],
  ["testIamPermissions", "read"],
  ["update", "update"],
  ["cancel", "update"],
  ["setIamPolicy", "update"],
  ["delete", "delete"],
]);

/** BigQuery's statement types ("JobStatistics2", statementType). */
const STATEMENTS: readonly (readonly [type: RegExp, activity: DatastoreActivity])[] = [
  [/^(?:UPDATE|MERGE|ALTER)/, "update"],
  [/^(?:INSERT|LOAD_DATA)/, "write"],
  [/^(?:CREATE|UNDROP)/, "create"],
  [/^(?:DELETE|DROP|TRUNCATE)/, "delete"],
  [/^(?:GRANT|REVOKE)/, "other"],
];

function ofStatement(type: string | undefined): DatastoreActivity {
  if (type === undefined) return "query";
  return STATEMENTS.find(([pattern]) => pattern.test(type))?.[1] ?? "query";
}
