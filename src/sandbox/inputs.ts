import { invalid, notImplemented } from "./errors.ts";
import { quoteIdentifier } from "./googlesql/tokens.ts";
import { type ScalarKind, type SqlType, scalarType, toDuckDBSql } from "./sql-types.ts";

/** Values that a DuckDB statement refers to as `$b0`, `$b1`, … All are bound as text; the statement casts them. */
export class Bindings {
  readonly values: Record<string, string> = {};
  #count = 0;

  add(text: string): string {
    const name = `b${this.#count++}`;
    this.values[name] = text;
    return `$${name}`;
  }
}

/** A value that does not fit its type. `path` says where in the row or parameter it is. */
export class ValueError extends Error {
  readonly path: string;

  constructor(message: string, path: string) {
    super(message);
    this.name = "ValueError";
    this.path = path;
  }
}

const DATE = "\\d{4}-\\d{1,2}-\\d{1,2}";
const TIME = "\\d{1,2}:\\d{1,2}:\\d{1,2}(?:\\.\\d{1,9})?";
const ZONE = "(?:Z|[+-]\\d{1,2}(?::?\\d{2})?| [A-Za-z]+(?:/[A-Za-z_]+)*)?";

/** What a scalar's text looks like. DuckDB itself would round `5.7` to an INT64, so it is not asked. */
const FORMS: Readonly<Partial<Record<ScalarKind, RegExp>>> = {
  BOOL: /^(?:true|false)$/i,
  BYTES: /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2,3}={0,2})?$/,
  DATE: new RegExp(`^${DATE}$`),
  DATETIME: new RegExp(`^${DATE}(?:[ T]${TIME})?$`),
  FLOAT64: /^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf(?:inity)?)$/i,
  INT64: /^[+-]?\d+$/,
  NUMERIC: /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i,
  TIME: new RegExp(`^${TIME}$`),
  TIMESTAMP: new RegExp(`^(?:${DATE}(?:[ Tt]${TIME})?${ZONE}|-?\\d+(?:\\.\\d+)?)$`),
};

/**
 * DuckDB's expression for a JSON value of a GoogleSQL type. Text and numbers are bound, never written into it.
 *
 * @throws {ValueError}
 */
export function valueSql(value: unknown, type: SqlType, bindings: Bindings, path = ""): string {
  const target = toDuckDBSql(type);
  if (value === null || value === undefined)
    return type.kind === "ARRAY" ? `[]::${target}` : `NULL::${target}`;
  if (type.kind === "ARRAY") {
    if (!Array.isArray(value)) throw new ValueError("Array specified for non-repeated field.", path);
    const items = value.map((item: unknown) => {
      if (item === null) throw new ValueError("Only optional fields can be set to NULL.", path);
      return valueSql(item, type.element, bindings, path);
    });
    return `[${items.join(", ")}]::${target}`;
  }
  if (type.kind === "STRUCT") {
    if (typeof value !== "object" || Array.isArray(value)) {
      throw new ValueError("This field is not a record.", path);
    }
    const members = new Map(Object.entries(value));
    for (const name of members.keys()) {
      if (!type.fields.some((field) => field.name === name)) {
        throw new ValueError(`no such field: ${name}.`, join(path, name));
      }
    }
    const entries = type.fields.map(
      (field) =>
        `${quoteIdentifier(field.name)} := ${valueSql(members.get(field.name), field.type, bindings, join(path, field.name))}`,
    );
    return `struct_pack(${entries.join(", ")})::${target}`;
  }
  const text = scalarText(value, type.kind, path);
  const bound = bindings.add(text);
  if (type.kind === "BYTES") return `from_base64(${bound})`;
  // Epoch seconds, the other way to write a TIMESTAMP in a streamed row.
  if (type.kind === "TIMESTAMP" && /^-?\d+(?:\.\d+)?$/.test(text)) return `to_timestamp(${bound}::DOUBLE)`;
  return `${bound}::${target}`;
}

function scalarText(value: unknown, kind: ScalarKind, path: string): string {
  if (kind === "JSON") return typeof value === "string" ? value : JSON.stringify(value);
  if (typeof value === "object")
    throw new ValueError(`Cannot convert a value to ${kind.toLowerCase()}.`, path);
  const text = String(value).trim();
  if (kind === "STRING") return String(value);
  const form = FORMS[kind];
  if (form === undefined) throw notImplemented(`values of type ${kind} in requests`);
  if (!form.test(text))
    throw new ValueError(`Cannot convert value to ${kind.toLowerCase()} (bad value): ${text}`, path);
  if (kind === "INT64" && BigInt.asIntN(64, BigInt(text)) !== BigInt(text)) {
    throw new ValueError(`Cannot convert value to integer (out of range): ${text}`, path);
  }
  return kind === "BYTES" ? text.replaceAll("-", "+").replaceAll("_", "/") : text;
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** QueryParameterType of BigQuery's REST reference. */
export interface ParameterType {
  type: string;
  arrayType?: ParameterType | undefined;
  structTypes?: { name?: string | undefined; type: ParameterType }[] | undefined;
}

/** QueryParameterValue. */
export interface ParameterValue {
  value?: string | number | boolean | null | undefined;
  arrayValues?: ParameterValue[] | undefined;
  structValues?: Record<string, ParameterValue> | undefined;
}

export function parameterSqlType(type: ParameterType): SqlType {
  const name = type.type.toUpperCase();
  if (name === "ARRAY" && type.arrayType !== undefined) {
    return { kind: "ARRAY", element: parameterSqlType(type.arrayType) };
  }
  if (name === "STRUCT" && type.structTypes !== undefined) {
    const fields = type.structTypes.map((field) => {
      if (field.name === undefined) throw notImplemented("STRUCT parameters with unnamed fields");
      return { name: field.name, type: parameterSqlType(field.type) };
    });
    return { kind: "STRUCT", fields };
  }
  const scalar = scalarType(name);
  if (scalar === undefined)
    throw invalid(`Invalid value for parameter type: ${type.type}`, "queryParameters");
  return scalar;
}

/** The JSON value that a parameter's value stands for. */
export function parameterJson(value: ParameterValue | undefined, type: SqlType): unknown {
  if (value === undefined) return null;
  if (type.kind === "ARRAY")
    return (value.arrayValues ?? []).map((item) => parameterJson(item, type.element));
  if (type.kind === "STRUCT") {
    const entries = type.fields.map((field) => [
      field.name,
      parameterJson(value.structValues?.[field.name], field.type),
    ]);
    return Object.fromEntries(entries);
  }
  return value.value ?? null;
}
