import type { ResultPage } from "../../bigquery/rows.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { QueryParameter } from "../statement.ts";
import { cellText } from "./cells.ts";
import { count, formatBytes } from "./quantities.ts";
import { prettySql } from "./sql.ts";
import type { Style } from "./style.ts";
import { formatTable } from "./table.ts";
import { cut, displayWidth, visible, visibleLines } from "./visible.ts";

/*
 * What exchanges and statements are told with alike.
 */

/** In front of all lines but the first of what is told. */
const MARGIN = "   ";

/** The style of lines that {@link indented} takes. */
export function insideMargin(style: Style): Style {
  return { ...style, width: style.width - MARGIN.length };
}

export function indented(lines: readonly string[]): string[] {
  return lines.map((line) => (line === "" ? "" : MARGIN + line));
}

/** The statement with its parameters, each at most one line of the terminal. */
export function sqlLines(
  sql: string | undefined,
  parameters: readonly QueryParameter[],
  style: Style,
  cutShort = false,
): string[] {
  if (sql === undefined) return [];
  return [
    "",
    ...visibleLines(prettySql(sql))
      .split("\n")
      .map((line) => style.paint("cyan", line)),
    ...(cutShort ? ["… (cut)"] : []),
    ...parameters.map(({ name, type, value }) =>
      cut(visible(`${name === "" ? "?" : `@${name}`} ${type} = ${value}`), style.width),
    ),
    "",
  ];
}

export function requestLine({ method, authority, target }: ArchivedExchange): string {
  if (method === undefined) return "the request is not in the archive";
  return method === "CONNECT" ? `CONNECT ${target}` : `${method} https://${authority}${target}`;
}

export function rulingLines({ effect, rule, reason, dryRun }: ArchivedExchange, style: Style): string[] {
  if (effect === undefined) return [];
  const ruling = effect === "deny" ? style.paint("red", "denied") : "allowed";
  const by = rule === undefined ? "" : ` by ${visible(rule)}`;
  const why = reason === undefined ? "" : `: ${visible(reason)}`;
  return [`${ruling}${by}${why}${dryRun === true ? " (dry run)" : ""}`];
}

export function errorLines({ error, answerError, outcome }: ArchivedExchange, style: Style): string[] {
  const lines: string[] = [];
  if (error !== undefined) lines.push(style.paint("red", visible(`${error.code}: ${error.message}`)));
  if (answerError !== undefined) {
    lines.push(style.paint("yellow", visible(`BigQuery: ${answerError.reason}: ${answerError.message}`)));
  }
  if (outcome === "incomplete")
    lines.push(style.paint("red", "cut short: the gateway ended before the answer did"));
  return lines;
}

/** Rows of a result that were read, and that it has. */
export interface RowCounts {
  readonly read: number;
  readonly total?: number | undefined;
}

/** A result as a table, and how much of it that is. */
export function resultLines(page: ResultPage, counts: RowCounts, style: Style): string[] {
  const columns = page.columns.map(({ name, type }) => ({
    title: name,
    right: /^(?:INTEGER|INT64|FLOAT|FLOAT64|NUMERIC|BIGNUMERIC)$/.test(type),
  }));
  const rows = page.rows.map((row) => row.map((cell, index) => cellText(cell, page.columns[index])));
  const table = formatTable(columns, rows, {
    width: style.width,
    paintHead: (line) => style.paint("bold", line),
  });
  return [...table, style.paint("dim", rowCount(page, counts)), ""];
}

function rowCount(page: ResultPage, { read, total = page.totalRows }: RowCounts): string {
  const shown =
    page.rows.length < read
      ? `${count(page.rows.length, "row")} shown of ${read.toLocaleString("en-US")}`
      : count(read, "row");
  const of =
    total === undefined || total === read ? "" : `, of ${total.toLocaleString("en-US")} in the whole result`;
  return `${shown}${of}${page.named ? "" : "; the answer has no column names"}`;
}

/** Facts behind each other on as few lines as they fit on; a fact that is longer than a line has one of its own. */
export function factLines(facts: readonly string[], { width, paint }: Style, separator = ", "): string[] {
  const lines: string[] = [];
  for (const fact of facts.map(visible)) {
    const joined = `${lines.at(-1)}${separator}${fact}`;
    if (lines.length > 0 && displayWidth(joined) <= width) lines.splice(-1, 1, joined);
    else lines.push(fact);
  }
  return lines.map((line) => paint("dim", line));
}

/** What answers tell of a job. */
type JobFacts = Pick<
  ArchivedExchange,
  "job" | "jobProject" | "location" | "queryId" | "bytesProcessed" | "cacheHit" | "dmlAffectedRows"
>;

/** The job's name, and what it took and changed. */
export function jobFacts(facts: JobFacts, statementType: string | undefined): string[] {
  const { job, jobProject, location, queryId, bytesProcessed, cacheHit, dmlAffectedRows } = facts;
  const project = jobProject === undefined ? "" : `${jobProject}:`;
  const place = location === undefined ? "" : ` (${location})`;
  return [
    job === undefined ? "" : `job ${project}${job}${place}`,
    queryId === undefined || queryId === job ? "" : `query ${queryId}`,
    statementType ?? "",
    bytesProcessed === undefined ? "" : `${formatBytes(bytesProcessed)} processed`,
    cacheHit === true ? "from cache" : "",
    dmlAffectedRows === undefined ? "" : `${count(dmlAffectedRows, "row")} changed`,
  ].filter((part) => part !== "");
}
