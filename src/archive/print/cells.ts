import type { Cell } from "../../bigquery/rows.ts";

/** A cell on one line: NULL by name, lists and records as JSON. */
export function cellText(cell: Cell): string {
  if (cell === null) return "NULL";
  return typeof cell === "string" ? cell : JSON.stringify(cell);
}
