import type { Cell, Column } from "../../bigquery/rows.ts";

/**
 * A cell as text that loses nothing; undefined of NULL. TIMESTAMP becomes ISO 8601 in UTC, to the microsecond; lists and
 * records become JSON; everything else stands as BigQuery wrote it: BYTES in base64, INT64 and NUMERIC digit by digit.
 */
export function cellText(cell: Cell, column: Column | undefined): string | undefined {
  if (cell === null) return undefined;
  if (typeof cell !== "string") return jsonText(cell, column);
  return column?.type === "TIMESTAMP" ? timestampText(cell) : cell;
}

/** As GoogleSQL's TO_JSON_STRING encodes values ("JSON encodings"): numbers that JavaScript would round are strings. */
function jsonText(cell: Cell, column: Column | undefined): string {
  if (cell === null) return "null";
  if (isList(cell)) return `[${cell.map((each) => jsonText(each, column)).join(",")}]`;
  if (typeof cell === "string") return scalarJson(cell, column?.type ?? "");
  const members = Object.entries(cell).map(([name, each]) => {
    const field = column?.fields.find((known) => known.name === name);
    return `${JSON.stringify(name)}:${jsonText(each, field)}`;
  });
  return `{${members.join(",")}}`;
}

function isList(cell: Cell): cell is readonly Cell[] {
  return Array.isArray(cell);
}

function scalarJson(text: string, type: string): string {
  switch (type) {
    case "INTEGER":
    case "INT64":
    case "NUMERIC":
    case "BIGNUMERIC":
      return /^(?:0|-?[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text))
        ? text
        : JSON.stringify(text);
    case "FLOAT":
    case "FLOAT64":
      return /^-?\d+(?:\.\d+)?(?:E[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text))
        ? JSON.stringify(Number(text))
        : JSON.stringify(text);
    case "BOOLEAN":
    case "BOOL":
      return text === "true" || text === "false" ? text : JSON.stringify(text);
    case "JSON":
      return isJson(text) ? text : JSON.stringify(text);
    case "TIMESTAMP":
      return JSON.stringify(timestampText(text));
    default:
      return JSON.stringify(text);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const DECIMAL = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?(?:E([+-]?\d{1,2}))?$/i;
/** 0001-01-01 and 9999-12-31T23:59:59.999999, in microseconds since the Unix epoch. */
const FIRST = -62_135_596_800_000_000n;
const LAST = 253_402_300_799_999_999n;

/**
 * A TIMESTAMP in ISO 8601, whichever way the client asked for it ("DataFormatOptions"): seconds since the Unix epoch in
 * floating point, which always has a point or an exponent; whole microseconds; or ISO 8601 already.
 */
function timestampText(text: string): string {
  const [, sign = "", whole = "", fraction, exponent] = DECIMAL.exec(text) ?? [];
  if (whole === "") return text;
  const seconds = fraction !== undefined || exponent !== undefined;
  const digits = BigInt(`${whole}${fraction ?? ""}`);
  const shift = seconds ? Number(exponent ?? 0) + 6 - (fraction?.length ?? 0) : 0;
  const size = shift >= 0 ? digits * 10n ** BigInt(shift) : roundedQuotient(digits, 10n ** BigInt(-shift));
  const micros = sign === "-" ? -size : size;
  if (micros < FIRST || micros > LAST) return text;
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const clock = new Date(Number((micros - rest) / 1000n)).toISOString().slice(0, 19);
  return `${clock}${rest === 0n ? "" : `.${String(rest).padStart(6, "0")}`}Z`;
}

/** Digits behind the microsecond are those of the floating point, not of the time. */
function roundedQuotient(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor / 2n) / divisor;
}
