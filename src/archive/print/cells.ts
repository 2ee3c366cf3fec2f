import type { Cell, Column } from "../../bigquery/rows.ts";

/** A cell on one line: NULL by name, timestamps as times in UTC, lists and records as JSON. */
export function cellText(cell: Cell, column?: Column): string {
  if (cell === null) return "NULL";
  if (typeof cell !== "string") return JSON.stringify(cell);
  return column?.type === "TIMESTAMP" ? timestampText(cell) : cell;
}

/**
 * A TIMESTAMP as people read it, to the microsecond. BigQuery writes whole microseconds since the Unix epoch, or seconds as a
 * floating-point number, as the request wished (`formatOptions`, REST reference); what is neither stays as it is.
 */
function timestampText(value: string): string {
  const microseconds = /^-?\d{1,18}$/.test(value)
    ? BigInt(value)
    : /^-?\d{1,12}\.\d{1,20}(?:E\d{1,2})?$/.test(value)
      ? BigInt(Math.round(Number(value) * 1e6))
      : undefined;
  if (microseconds === undefined) return value;
  const fraction = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((microseconds - fraction) / 1_000n));
  if (Number.isNaN(date.getTime())) return value;
  const digits = fraction === 0n ? "" : `.${fraction.toString().padStart(6, "0")}`;
  return `${date.toISOString().slice(0, -5).replace("T", " ")}${digits}Z`;
}
