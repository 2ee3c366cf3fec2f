import type { ArchivedStatement } from "../records/statement.ts";
import { formatBytes, formatTime } from "./quantities.ts";
import type { Style } from "./style.ts";
import { formatTable } from "./table.ts";

/** A table of statements; SQL on one line, as far as there is room. */
export function statementTable(statements: readonly ArchivedStatement[], style: Style): string[] {
  const columns = [
    { title: "statement" },
    { title: "time" },
    { title: "user" },
    { title: "type" },
    { title: "outcome" },
    { title: "rows", right: true },
    { title: "answered", right: true },
    { title: "processed", right: true },
    { title: "what" },
  ];
  const rows = statements.map((statement) => [
    statement.id,
    formatTime(statement.time).slice(0, 19),
    statement.user ?? "",
    statement.statementType ?? statement.operation ?? "",
    outcomeOf(statement),
    statement.rows?.toLocaleString("en-US") ?? "",
    statement.bytes === undefined ? "" : formatBytes(statement.bytes),
    statement.bytesProcessed === undefined ? "" : formatBytes(statement.bytesProcessed),
    whatOf(statement),
  ]);
  // Cut columns would hide what an auditor looks for, so lines may be longer than the terminal is wide.
  const width = Number.POSITIVE_INFINITY;
  return formatTable(columns, rows, { width, maxCell: 80, paintHead: (line) => style.paint("bold", line) });
}

function outcomeOf({ outcome, status, error }: ArchivedStatement): string {
  if (error !== undefined) return `${outcome}: ${error.reason}`;
  return status !== undefined && status >= 400 ? `${outcome} ${status}` : outcome;
}

function whatOf({ sql, project, dataset, table }: ArchivedStatement): string {
  if (sql !== undefined) return sql.replaceAll(/\s+/g, " ").trim();
  return [project, dataset, table].filter((part) => part !== undefined).join(".");
}
