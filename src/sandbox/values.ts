import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBIntervalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBValue,
} from "@duckdb/node-api";
import type { SqlType } from "./sql-types.ts";

/** A value as rows of `jobs.query`, `jobs.getQueryResults` and `tabledata.list` carry it: text, or rows within rows. */
export type WireValue = string | null | WireRow | WireCell[];
export interface WireCell {
  v: WireValue;
}
export interface WireRow {
  f: WireCell[];
}

/**
 * How TIMESTAMP is written (DataFormatOptions): seconds since 1970 in floating point, which is BigQuery's default;
 * microseconds since 1970, as `useInt64Timestamp` asks for; or ISO 8601.
 */
export type TimestampFormat = "FLOAT64" | "INT64" | "ISO8601_STRING";

/** A row of DuckDB's in BigQuery's form. */
export function toWireRow(
  values: readonly DuckDBValue[],
  types: readonly SqlType[],
  timestamps: TimestampFormat,
): WireRow {
  return { f: types.map((type, index) => ({ v: toWireValue(values[index] ?? null, type, timestamps) })) };
}

function toWireValue(value: DuckDBValue, type: SqlType, timestamps: TimestampFormat): WireValue {
  if (type.kind === "ARRAY") {
    // BigQuery stores no NULL arrays: they come back empty.
    const items = value instanceof DuckDBListValue ? value.items : [];
    return items.map((item) => ({ v: toWireValue(item, type.element, timestamps) }));
  }
  if (value === null) return null;
  if (value instanceof DuckDBStructValue && type.kind === "STRUCT") {
    const entries = type.fields.map((field) => value.entries[field.name] ?? null);
    return toWireRow(
      entries,
      type.fields.map((field) => field.type),
      timestamps,
    );
  }
  if (typeof value === "number" && type.kind === "FLOAT64") return floatText(value);
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64");
  if (value instanceof DuckDBDecimalValue) return decimalText(value);
  if (value instanceof DuckDBTimestampTZValue) return timestampText(value.micros, timestamps);
  if (value instanceof DuckDBTimestampValue) return isoText(value.micros);
  if (value instanceof DuckDBTimeValue) return timeText(value.micros);
  if (value instanceof DuckDBDateValue) return value.toString();
  if (value instanceof DuckDBIntervalValue) return intervalText(value);
  return String(value);
}

/** A whole number keeps its `.0`, and infinities their Java names. */
function floatText(value: number): string {
  const text = String(value);
  if (/^-?\d+$/.test(text)) return `${text}.0`;
  return text.replace("e+", "E").replace("e", "E");
}

/** NUMERIC comes without trailing zeros. */
function decimalText(value: DuckDBDecimalValue): string {
  const text = value.toString();
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function timestampText(micros: bigint, format: TimestampFormat): string {
  switch (format) {
    case "INT64":
      return String(micros);
    case "ISO8601_STRING":
      return `${isoText(micros)}Z`;
    case "FLOAT64": {
      if (micros === 0n) return "0.0";
      const text = (Number(micros) / 1e6).toExponential();
      const [mantissa = "0", exponent = "0"] = text.split("e");
      return `${mantissa.includes(".") ? mantissa : `${mantissa}.0`}E${exponent.replace("+", "")}`;
    }
  }
}

const MICROS_PER_SECOND = 1_000_000n;

/** `2024-01-02T03:04:05`, with six digits of a fraction when it is not zero. */
function isoText(micros: bigint): string {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
  const milliseconds = Number((micros - fraction) / 1000n);
  return new Date(milliseconds).toISOString().slice(0, 19) + fractionText(fraction);
}

function timeText(micros: bigint): string {
  return isoText(micros).slice(11);
}

function fractionText(micros: bigint): string {
  return micros === 0n ? "" : `.${String(micros).padStart(6, "0")}`;
}

/** `Y-M D H:M:S[.F]`, the canonical form of "Interval type". */
function intervalText({ months, days, micros }: DuckDBIntervalValue): string {
  const sign = (negative: boolean): string => (negative ? "-" : "");
  const wholeMonths = Math.abs(months);
  const size = micros < 0n ? -micros : micros;
  const seconds = size / MICROS_PER_SECOND;
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].join(":");
  return [
    `${sign(months < 0)}${Math.floor(wholeMonths / 12)}-${wholeMonths % 12}`,
    String(days),
    `${sign(micros < 0n)}${clock}${fractionText(size % MICROS_PER_SECOND)}`,
  ].join(" ");
}
