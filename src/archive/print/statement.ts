import type { ResultPage } from "../../bigquery/rows.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { QueryParameter } from "../statement.ts";
import type { StatementFacts, StatementState } from "../statement-facts.ts";
import type { StatementPart } from "../statement-groups.ts";
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
import { count, formatBytes, formatClock, formatDuration, formatSince } from "./quantities.ts";
import type { Color, Style } from "./style.ts";
import { visible } from "./visible.ts";

/** A statement, or a part of one, and what its exchanges and their bodies tell. */
export interface StatementDetail {
  readonly part: StatementPart;
  readonly facts: StatementFacts;
  readonly sql?: string;
  readonly parameters: readonly QueryParameter[];
  /** The first rows of the whole result. */
  readonly result?: ResultPage;
}

/** Troubles of single exchanges that are told; an agent may try a thousand times. */
const MAX_TROUBLES = 5;

const COLORS: Readonly<Record<StatementState, Color>> = {
  done: "green",
  failed: "yellow",
  denied: "red",
  unfinished: "cyan",
};

/**
 * What was asked: when, the SQL with its parameters, the gateway's ruling.
 *
 * @param start when the session began; milliseconds since the Unix epoch.
 */
export function askedLines(
  { part, facts, sql, parameters }: StatementDetail,
  style: Style,
  start: number,
): string[] {
  const [first] = part.exchanges;
  if (first === undefined) return [];
  const inner = insideMargin(style);
  const head = headLine(part, facts, first, style, start);
  if (part.continued) return [head];
  const body = [
    ...(sql === undefined ? [inner.paint("dim", visible(requestLine(first)))] : []),
    ...sqlLines(sql, parameters, inner, sql === first.sql && first.sqlTruncated === true),
    ...rulingLines(first, inner),
  ];
  return [head, ...indented(body)];
}

/** What came of it: errors, the result as one table, what the job says of itself, and the exchanges on one line. */
export function answeredLines({ part, facts, result }: StatementDetail, style: Style): string[] {
  const inner = insideMargin(style);
  const body = [
    ...troubleLines(part, inner),
    ...(result === undefined
      ? unreadLines(facts, inner)
      : ["", ...resultLines(result, { read: facts.rows, total: facts.totalRows }, inner)]),
    ...storageLines(part),
    ...factLines(jobFacts(facts, undefined), inner),
    ...factLines(exchangeFacts(part), inner, "; "),
  ];
  return [...indented(body), ""];
}

function headLine(
  { number, id, continued }: StatementPart,
  { state, statementType, ended }: StatementFacts,
  first: ArchivedExchange,
  style: Style,
  start: number,
): string {
  const mark = number === undefined ? `statement ${id}` : `${number}`;
  return [
    style.paint("bold", `${visible(mark)}${continued ? " continued" : ""}`),
    formatClock(first.time),
    formatSince(first.time, start),
    style.paint("bold", visible(statementType ?? first.operation ?? "statement")),
    style.paint(COLORS[state], state),
    ...(ended === undefined ? [] : [formatDuration(ended - first.time)]),
  ].join("  ");
}

/** What went wrong in the statement's exchanges; the same thing once. */
function troubleLines({ exchanges, id }: StatementPart, style: Style): string[] {
  const lines = new Map<string, number>();
  for (const exchange of exchanges) {
    const of = exchange.id === id ? "" : `${visible(exchange.operation ?? "request")}: `;
    const denied = exchange.id !== id && exchange.effect === "deny" ? rulingLines(exchange, style) : [];
    for (const line of [...denied, ...errorLines(exchange, style)]) {
      lines.set(of + line, (lines.get(of + line) ?? 0) + 1);
    }
  }
  const told = [...lines].map(([line, times]) => (times === 1 ? line : `${line} (${times} times)`));
  const more = told.length - MAX_TROUBLES;
  return more > 0 ? [...told.slice(0, MAX_TROUBLES), `… and ${count(more, "more trouble")}`] : told;
}

function unreadLines({ state, totalRows }: StatementFacts, style: Style): string[] {
  if (state !== "done" || totalRows === undefined || totalRows === 0) return [];
  return ["", style.paint("dim", `${count(totalRows, "row")} in the result, none of them in these answers`)];
}

/** Rows that were read over the Storage API are Arrow's or Avro's, and not shown. */
function storageLines({ exchanges }: StatementPart): string[] {
  const reads = exchanges.filter(({ operation }) => operation === "storage.ReadRows");
  if (reads.length === 0) return [];
  const columns = new Set(reads.flatMap((read) => read.columns ?? []));
  const bytes = reads.reduce((sum, { response }) => sum + (response?.bytes ?? 0), 0);
  const of = columns.size === 0 ? "all columns" : `columns ${[...columns].join(", ")}`;
  return [visible(`${formatBytes(bytes)} read over the Storage API, not shown: ${of}`)];
}

/** `3 exchanges from ID: jobs.insert, 2 × jobs.getQueryResults; 1.2 kB sent, 340 kB received; first answer after 12 ms` */
function exchangeFacts({ exchanges }: StatementPart): string[] {
  const operations = new Map<string, number>();
  let sent = 0;
  let received = 0;
  for (const { operation, method, request, response } of exchanges) {
    const name = operation ?? method ?? "request";
    operations.set(name, (operations.get(name) ?? 0) + 1);
    sent += request?.bytes ?? 0;
    received += response?.bytes ?? 0;
  }
  const list = [...operations].map(([name, times]) => (times === 1 ? name : `${times} × ${name}`)).join(", ");
  const [first] = exchanges;
  const answer = first?.phases.upstreamFirstByte;
  return [
    `${count(exchanges.length, "exchange")} from ${first?.id}: ${list}`,
    `${formatBytes(sent)} sent, ${formatBytes(received)} received`,
    ...(answer === undefined ? [] : [`first answer after ${formatDuration(answer)}`]),
  ];
}
