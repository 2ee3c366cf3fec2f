import type { ResultPage } from "../../bigquery/rows.ts";
import { PHASES } from "../../recording/phases.ts";
import type { ArchivedExchange } from "../records.ts";
import type { QueryParameter } from "../statement.ts";
import { cellText } from "./cells.ts";
import { count, formatBytes, formatClock, formatDuration } from "./quantities.ts";
import { prettySql } from "./sql.ts";
import type { Color, Style } from "./style.ts";
import { formatTable } from "./table.ts";
import { cut, visible, visibleLines } from "./visible.ts";

/** An exchange and what its bodies tell. */
export interface ExchangeDetail {
  readonly exchange: ArchivedExchange;
  /** The statement, whole where the request body has it. */
  readonly sql?: string;
  readonly parameters: readonly QueryParameter[];
  /** The first rows of the answer. */
  readonly page?: ResultPage;
}

const MARGIN = "   ";

/** An exchange's lines: when and what, the statement, the ruling, the result, sizes and timings. */
export function exchangeLines(number: number, detail: ExchangeDetail, style: Style): string[] {
  const { exchange, page } = detail;
  const head = headLine(number, exchange, style);
  // Every agent begins with it, and there is nothing in it to see: its secrets are not kept.
  if (exchange.operation === "oauth2.token") return [head, ""];
  const inner = { ...style, width: style.width - MARGIN.length };
  const body = [
    inner.paint("dim", visible(requestLine(exchange))),
    ...statementLines(detail, inner),
    ...rulingLines(exchange, inner),
    ...errorLines(exchange, inner),
    ...(page === undefined ? [] : ["", ...resultLines(exchange, page, inner)]),
    ...factLines(exchange, inner),
  ];
  return [head, ...body.map((line) => (line === "" ? "" : MARGIN + line)), ""];
}

function headLine(number: number, exchange: ArchivedExchange, style: Style): string {
  const total = exchange.phases.total ?? (exchange.ended ?? exchange.time) - exchange.time;
  const name = visible(exchange.operation ?? exchange.method ?? "request");
  const status = exchange.status === undefined || exchange.status === 0 ? "" : ` ${exchange.status}`;
  return [
    style.paint("bold", `${number}`),
    formatClock(exchange.time),
    style.paint("bold", name),
    style.paint(colorOf(exchange), `${exchange.outcome}${status}`),
    ...(exchange.ended === undefined ? [] : [formatDuration(total)]),
    style.paint("dim", visible(exchange.id)),
  ].join("  ");
}

function colorOf({ outcome, status = 0 }: ArchivedExchange): Color {
  if (outcome === "complete") return status >= 400 ? "yellow" : "green";
  return outcome === "running" ? "cyan" : "red";
}

function requestLine({ method, authority, target }: ArchivedExchange): string {
  if (method === undefined) return "the request is not in the archive";
  return method === "CONNECT" ? `CONNECT ${target}` : `${method} https://${authority}${target}`;
}

function statementLines({ exchange, sql, parameters }: ExchangeDetail, style: Style): string[] {
  if (sql === undefined) return [];
  const cutShort = sql === exchange.sql && exchange.sqlTruncated === true ? ["… (cut)"] : [];
  return [
    "",
    ...visibleLines(prettySql(sql))
      .split("\n")
      .map((line) => style.paint("cyan", line)),
    ...cutShort,
    ...parameters.map(({ name, type, value }) =>
      cut(visible(`${name === "" ? "?" : `@${name}`} ${type} = ${value}`), style.width),
    ),
    "",
  ];
}

function rulingLines({ effect, rule, reason, dryRun }: ArchivedExchange, style: Style): string[] {
  if (effect === undefined) return [];
  const ruling = effect === "deny" ? style.paint("red", "denied") : "allowed";
  const by = rule === undefined ? "" : ` by ${visible(rule)}`;
  const why = reason === undefined ? "" : `: ${visible(reason)}`;
  return [`${ruling}${by}${why}${dryRun === true ? " (dry run)" : ""}`];
}

function errorLines({ error, answerError, outcome }: ArchivedExchange, style: Style): string[] {
  const lines: string[] = [];
  if (error !== undefined) lines.push(style.paint("red", visible(`${error.code}: ${error.message}`)));
  if (answerError !== undefined) {
    lines.push(style.paint("yellow", visible(`BigQuery: ${answerError.reason}: ${answerError.message}`)));
  }
  if (outcome === "incomplete")
    lines.push(style.paint("red", "cut short: the gateway ended before the answer did"));
  return lines;
}

function resultLines(exchange: ArchivedExchange, page: ResultPage, style: Style): string[] {
  const columns = page.columns.map(({ name, type }) => ({
    title: name,
    right: /^(?:INTEGER|INT64|FLOAT|FLOAT64|NUMERIC|BIGNUMERIC)$/.test(type),
  }));
  const rows = page.rows.map((row) => row.map(cellText));
  const table = formatTable(columns, rows, {
    width: style.width,
    paintHead: (line) => style.paint("bold", line),
  });
  return [...table, style.paint("dim", rowCount(exchange, page)), ""];
}

function rowCount(exchange: ArchivedExchange, page: ResultPage): string {
  const here = exchange.rows ?? page.rows.length;
  const total = exchange.totalRows ?? page.totalRows;
  const shown =
    page.rows.length < here
      ? `${count(page.rows.length, "row")} shown of ${here.toLocaleString("en-US")}`
      : count(here, "row");
  const of =
    total === undefined || total === here ? "" : `, of ${total.toLocaleString("en-US")} in the whole result`;
  return `${shown}${of}${page.named ? "" : "; the answer has no column names"}`;
}

function factLines(exchange: ArchivedExchange, style: Style): string[] {
  const { job, jobProject, location, queryId, statementType, bytesProcessed, dmlAffectedRows } = exchange;
  const work = [
    job === undefined
      ? ""
      : `job ${jobProject === undefined ? "" : `${jobProject}:`}${job}${location === undefined ? "" : ` (${location})`}`,
    queryId === undefined ? "" : `query ${queryId}`,
    statementType ?? "",
    bytesProcessed === undefined ? "" : `${formatBytes(bytesProcessed)} processed`,
    exchange.cacheHit === true ? "from cache" : "",
    dmlAffectedRows === undefined ? "" : `${count(dmlAffectedRows, "row")} changed`,
    exchange.jobComplete === false ? "job still running" : "",
    exchange.upload === undefined ? "" : `upload (${exchange.upload})`,
    exchange.stream ?? "",
    exchange.columns === undefined ? "" : `columns ${exchange.columns.join(", ")}`,
    exchange.grpcStatus === undefined ? "" : `gRPC status ${exchange.grpcStatus}`,
  ].filter((part) => part !== "");
  const sides = [bodyFact("request", exchange.request), bodyFact("response", exchange.response)].filter(
    (part) => part !== "",
  );
  const phases = PHASES.flatMap((name) => {
    const time = exchange.phases[name];
    return time === undefined ? [] : [`${name} ${formatDuration(time)}`];
  });
  return [work, sides, phases]
    .filter((parts) => parts.length > 0)
    .map((parts) => style.paint("dim", visible(parts.join(", "))));
}

function bodyFact(side: string, body: ArchivedExchange["request"]): string {
  if (body === undefined) return "";
  const size = `${side} ${formatBytes(body.bytes)}`;
  if (body.bytes === 0) return size;
  if (body.sha256 === undefined) return `${size} (unseen)`;
  return `${size} sha256:${body.sha256.slice(0, 12)}${body.chunks === 0 ? " (withheld)" : ""}`;
}
