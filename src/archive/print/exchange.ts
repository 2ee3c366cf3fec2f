import type { ResultPage } from "../../bigquery/rows.ts";
import { PHASES } from "../../recording/phases.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { QueryParameter } from "../statement.ts";
import {
  errorLines,
  factLines,
  indented,
  insideMargin,
  jobFacts,
  requestLine,
  resultLines,
  rulingLines,
  sqlLines,
} from "./parts.ts";
import { formatBytes, formatClock, formatDuration, formatSince } from "./quantities.ts";
import type { Color, Style } from "./style.ts";
import { visible } from "./visible.ts";

/** An exchange and what its bodies tell. */
export interface ExchangeDetail {
  readonly exchange: ArchivedExchange;
  /** The statement, whole where the request body has it. */
  readonly sql?: string;
  readonly parameters: readonly QueryParameter[];
  /** The first rows of the answer. */
  readonly page?: ResultPage;
}

/**
 * An exchange's lines: when and what, the statement, the ruling, the result, sizes and timings.
 *
 * @param mark what heads it: its number.
 * @param start when its session began, if the time since then is told; milliseconds since the Unix epoch.
 */
export function exchangeLines(mark: string, detail: ExchangeDetail, style: Style, start?: number): string[] {
  const { exchange, page, sql, parameters } = detail;
  const head = headLine(mark, exchange, style, start);
  // Every agent begins with it, and there is nothing in it to see: its secrets are not kept.
  if (exchange.operation === "oauth2.token") return [head, ""];
  const inner = insideMargin(style);
  const counts = { read: exchange.rows ?? page?.rows.length ?? 0, total: exchange.totalRows };
  const body = [
    inner.paint("dim", visible(requestLine(exchange))),
    ...sqlLines(sql, parameters, inner, sql === exchange.sql && exchange.sqlTruncated === true),
    ...rulingLines(exchange, inner),
    ...errorLines(exchange, inner),
    ...(page === undefined ? [] : ["", ...resultLines(page, counts, inner)]),
    ...recordedLines(exchange, inner),
  ];
  return [head, ...indented(body), ""];
}

function headLine(mark: string, exchange: ArchivedExchange, style: Style, start: number | undefined): string {
  const total = exchange.phases.total ?? (exchange.ended ?? exchange.time) - exchange.time;
  const name = visible(exchange.operation ?? exchange.method ?? "request");
  const status = exchange.status === undefined || exchange.status === 0 ? "" : ` ${exchange.status}`;
  return [
    style.paint("bold", mark),
    formatClock(exchange.time),
    ...(start === undefined ? [] : [formatSince(exchange.time, start)]),
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

function recordedLines(exchange: ArchivedExchange, style: Style): string[] {
  const work = [
    ...jobFacts(exchange, exchange.statementType),
    exchange.jobComplete === false ? "job still running" : "",
    exchange.upload === undefined ? "" : `upload (${exchange.upload})`,
    exchange.stream ?? "",
    exchange.columns === undefined ? "" : `columns ${exchange.columns.join(", ")}`,
    exchange.grpcStatus === undefined ? "" : `gRPC status ${exchange.grpcStatus}`,
  ].filter((part) => part !== "");
  const sides = [bodyFact("request", exchange.request), bodyFact("response", exchange.response)].filter(
    (part) => part !== "",
  );
  return [work, sides, phaseFacts(exchange)].flatMap((facts) => factLines(facts, style));
}

function phaseFacts({ phases }: ArchivedExchange): string[] {
  return PHASES.flatMap((name) => {
    const time = phases[name];
    return time === undefined ? [] : [`${name} ${formatDuration(time)}`];
  });
}

function bodyFact(side: string, body: ArchivedExchange["request"]): string {
  if (body === undefined) return "";
  const size = `${side} ${formatBytes(body.bytes)}`;
  if (body.bytes === 0) return size;
  if (body.sha256 === undefined) return `${size} (unseen)`;
  return `${size} sha256:${body.sha256.slice(0, 12)}${body.chunks === 0 ? " (withheld)" : ""}`;
}
