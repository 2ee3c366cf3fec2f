import { type DuckDBType, DuckDBTypeId, VARCHAR } from "@duckdb/node-api";
import { ApiError, invalid } from "./errors.ts";
import { quoteIdentifier } from "./googlesql/tokens.ts";

export type ScalarKind =
  | "BOOL"
  | "BYTES"
  | "DATE"
  | "DATETIME"
  | "FLOAT64"
  | "INT64"
  | "INTERVAL"
  | "JSON"
  | "NUMERIC"
  | "STRING"
  | "TIME"
  | "TIMESTAMP";

/** A GoogleSQL type, as far as the sandbox knows them. */
export type SqlType =
  | { kind: Exclude<ScalarKind, "NUMERIC"> }
  | { kind: "NUMERIC"; precision: number; scale: number }
  | { kind: "ARRAY"; element: SqlType }
  | { kind: "STRUCT"; fields: readonly StructField[] };

export interface StructField {
  name: string;
  type: SqlType;
}

/** TableFieldSchema of BigQuery's REST reference. */
export interface FieldSchema {
  name: string;
  type: string;
  mode?: string;
  description?: string;
  precision?: string;
  scale?: string;
  fields?: FieldSchema[];
}

/** NUMERIC without parameters: 29 digits before the point and 9 after it ("Data types", Decimal types). */
export const NUMERIC: SqlType = { kind: "NUMERIC", precision: 38, scale: 9 };

/** Every name of a scalar type in SQL, in query parameters and in table schemas. */
const SCALAR_NAMES: Readonly<Record<string, ScalarKind>> = {
  BIGINT: "INT64",
  BOOL: "BOOL",
  BOOLEAN: "BOOL",
  BYTEINT: "INT64",
  BYTES: "BYTES",
  DATE: "DATE",
  DATETIME: "DATETIME",
  DECIMAL: "NUMERIC",
  FLOAT: "FLOAT64",
  FLOAT64: "FLOAT64",
  INT: "INT64",
  INT64: "INT64",
  INTEGER: "INT64",
  INTERVAL: "INTERVAL",
  JSON: "JSON",
  NUMERIC: "NUMERIC",
  SMALLINT: "INT64",
  STRING: "STRING",
  TIME: "TIME",
  TIMESTAMP: "TIMESTAMP",
  TINYINT: "INT64",
};

/** The names that table schemas go by in answers: the legacy ones, whatever the request called them. */
const SCHEMA_NAMES: Readonly<Record<ScalarKind, string>> = {
  BOOL: "BOOLEAN",
  BYTES: "BYTES",
  DATE: "DATE",
  DATETIME: "DATETIME",
  FLOAT64: "FLOAT",
  INT64: "INTEGER",
  INTERVAL: "INTERVAL",
  JSON: "JSON",
  NUMERIC: "NUMERIC",
  STRING: "STRING",
  TIME: "TIME",
  TIMESTAMP: "TIMESTAMP",
};

const DUCKDB_NAMES: Readonly<Record<Exclude<ScalarKind, "NUMERIC">, string>> = {
  BOOL: "BOOLEAN",
  BYTES: "BLOB",
  DATE: "DATE",
  DATETIME: "TIMESTAMP",
  FLOAT64: "DOUBLE",
  INT64: "BIGINT",
  INTERVAL: "INTERVAL",
  JSON: "JSON",
  STRING: "VARCHAR",
  TIME: "TIME",
  TIMESTAMP: "TIMESTAMPTZ",
};

/** The scalar type of this name, if the sandbox has it. */
export function scalarType(name: string): SqlType | undefined {
  const kind = SCALAR_NAMES[name.toUpperCase()];
  if (kind === undefined) return undefined;
  return kind === "NUMERIC" ? NUMERIC : { kind };
}

/** The type in DuckDB's SQL. */
export function toDuckDBSql(type: SqlType): string {
  switch (type.kind) {
    case "NUMERIC":
      return `DECIMAL(${type.precision},${type.scale})`;
    case "ARRAY":
      return `${toDuckDBSql(type.element)}[]`;
    case "STRUCT":
      return `STRUCT(${type.fields.map((field) => `${quoteIdentifier(field.name)} ${toDuckDBSql(field.type)}`).join(", ")})`;
    default:
      return DUCKDB_NAMES[type.kind];
  }
}

/**
 * What GoogleSQL calls the type of a DuckDB column. Integers of every width are INT64.
 *
 * @throws {ApiError} 400, for a type that BigQuery has nothing like.
 */
export function fromDuckDBType(type: DuckDBType): SqlType {
  switch (type.typeId) {
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.UHUGEINT:
    // A column of nothing but NULL is INT64 in BigQuery, too.
    case DuckDBTypeId.SQLNULL:
      return { kind: "INT64" };
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return { kind: "FLOAT64" };
    case DuckDBTypeId.BOOLEAN:
      return { kind: "BOOL" };
    case DuckDBTypeId.VARCHAR:
      return { kind: type.alias === "JSON" ? "JSON" : "STRING" };
    case DuckDBTypeId.BLOB:
      return { kind: "BYTES" };
    case DuckDBTypeId.DATE:
      return { kind: "DATE" };
    case DuckDBTypeId.TIME:
      return { kind: "TIME" };
    case DuckDBTypeId.TIMESTAMP:
      return { kind: "DATETIME" };
    case DuckDBTypeId.TIMESTAMP_TZ:
      return { kind: "TIMESTAMP" };
    case DuckDBTypeId.INTERVAL:
      return { kind: "INTERVAL" };
    case DuckDBTypeId.DECIMAL:
      return { kind: "NUMERIC", precision: type.width, scale: type.scale };
    case DuckDBTypeId.LIST:
      return { kind: "ARRAY", element: fromDuckDBType(type.valueType) };
    case DuckDBTypeId.STRUCT:
      return {
        kind: "STRUCT",
        fields: type.entryNames.map((name, index) => ({
          name,
          type: fromDuckDBType(type.entryTypes[index] ?? VARCHAR),
        })),
      };
    default:
      throw new ApiError(400, "invalidQuery", `The bqtape sandbox has no type for a result of ${type}`);
  }
}

/** The field of a schema in an answer. */
export function toFieldSchema(name: string, type: SqlType, nullable = true): FieldSchema {
  if (type.kind === "ARRAY") return { ...toFieldSchema(name, type.element), mode: "REPEATED" };
  const mode = nullable ? "NULLABLE" : "REQUIRED";
  if (type.kind === "STRUCT") {
    return {
      name,
      type: "RECORD",
      mode,
      fields: type.fields.map((each) => toFieldSchema(each.name, each.type)),
    };
  }
  return { name, type: SCHEMA_NAMES[type.kind], mode };
}

/**
 * The type of a field that a request describes.
 *
 * @throws {ApiError} 400 `invalid`, for a type that BigQuery or the sandbox does not have.
 */
export function fromFieldSchema(field: FieldSchema): SqlType {
  const name = field.type.toUpperCase();
  const single: SqlType | undefined =
    name === "RECORD" || name === "STRUCT"
      ? {
          kind: "STRUCT",
          fields: nonEmpty(field).map((each) => ({ name: each.name, type: fromFieldSchema(each) })),
        }
      : scalarType(name);
  if (single === undefined) throw invalid(`Invalid value for type: ${field.type} is not a valid value`);
  const type = single.kind === "NUMERIC" ? numeric(field) : single;
  return field.mode?.toUpperCase() === "REPEATED" ? { kind: "ARRAY", element: type } : type;
}

function nonEmpty(field: FieldSchema): FieldSchema[] {
  if (field.fields === undefined || field.fields.length === 0) {
    throw invalid(`Field ${field.name} is type RECORD but has no schema`);
  }
  return field.fields;
}

function numeric(field: FieldSchema): SqlType {
  if (field.precision === undefined) return NUMERIC;
  return parameterizedNumeric(Number(field.precision), Number(field.scale ?? 0));
}

/** NUMERIC(P, S): at most 9 digits after the point and 29 before it ("Parameterized decimal type"). */
export function parameterizedNumeric(precision: number, scale: number): SqlType {
  const fits = scale >= 0 && scale <= 9 && precision >= Math.max(1, scale) && precision - scale <= 29;
  if (!fits || !Number.isInteger(precision) || !Number.isInteger(scale)) {
    throw invalid(`NUMERIC(${precision}, ${scale}) is out of range`);
  }
  return { kind: "NUMERIC", precision, scale };
}
