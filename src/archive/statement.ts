import { parseAnswer } from "../bigquery/answer-body.ts";

/** A query parameter as the request gave it. */
export interface QueryParameter {
  /** Empty for a positional one. */
  readonly name: string;
  readonly type: string;
  /** Scalars as written, everything else as JSON. */
  readonly value: string;
}

/** What a request's body says of the statement. */
export interface Statement {
  readonly sql?: string;
  readonly parameters: readonly QueryParameter[];
}

/** Reads a `jobs.query` or `jobs.insert` request body; what cannot be read is left out. */
export function parseStatement(
  contentEncoding: string | undefined,
  body: Uint8Array,
  whole: boolean,
): Statement {
  const request = parseAnswer(contentEncoding, body, whole);
  const root = request?.value;
  const query = property(property(root, "configuration"), "query") ?? root;
  const sql = property(query, "query");
  const parameters = property(query, "queryParameters");
  return {
    // Of a request that was cut, the last value may be cut too.
    ...(typeof sql === "string" && request?.truncated === false && { sql }),
    parameters: Array.isArray(parameters) ? parameters.map(toParameter) : [],
  };
}

function toParameter(parameter: unknown): QueryParameter {
  const type = property(parameter, "parameterType");
  const value = property(parameter, "parameterValue");
  const scalar = property(value, "value");
  const absent = value === undefined || (scalar === null && Object.keys(Object(value)).length === 1);
  return {
    name: textOf(property(parameter, "name")),
    type: textOf(property(type, "type")),
    value: absent ? "NULL" : typeof scalar === "string" ? scalar : JSON.stringify(plain(value)),
  };
}

/** Takes the wrappers off nested values. */
function plain(value: unknown): unknown {
  const list = property(value, "arrayValues");
  if (Array.isArray(list)) return list.map(plain);
  const struct = property(value, "structValues");
  if (typeof struct === "object" && struct !== null) {
    return Object.fromEntries(Object.entries(struct).map(([name, each]) => [name, plain(each)]));
  }
  return property(value, "value") ?? null;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
