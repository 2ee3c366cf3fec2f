import type { DatabaseSync } from "node:sqlite";
import type { Row } from "../records/row.ts";
import {
  exchangeConditions,
  having,
  type OfExchange,
  type OfSession,
  sessionConditions,
} from "./conditions.ts";
import { all, bestOf, type Condition, FEW, type Finder, READ, select } from "./driver.ts";

/** By what statements are sorted, the most first: see the columns of the same names. */
export const STATEMENT_ORDERS = {
  time: { column: "time", index: "statements_by_time" },
  rows: { column: "statement_rows", index: "statements_by_rows" },
  bytes: { column: "statement_bytes", index: "statements_by_bytes" },
  processed: { column: "bytes_processed", index: "statements_by_processed" },
} as const;

export type StatementOrder = keyof typeof STATEMENT_ORDERS;

/** Rows of a size are counted by reading them, so only a hundredth of what is few counts as few of these. */
const SIZE_SHARE = 100;

/** Which statements. */
export interface StatementFilter extends OfSession, OfExchange {
  readonly session?: string | undefined;
  /** Milliseconds since the Unix epoch; `until` is behind the last. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Rows that were answered, bytes of answers: at least so many. */
  readonly minRows?: number | undefined;
  readonly minBytes?: number | undefined;
  /** Default `time`. */
  readonly order?: StatementOrder | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
  /** Where the page before ended. */
  readonly after?: PageEnd | undefined;
}

/** The last row of a page: where the next goes on. */
export interface PageEnd {
  readonly value: number;
  readonly id: string;
}

/**
 * The first rows of a page's statements, each an exchange's with its `sql` and `answer_message`.
 *
 * @param few exchanges up to which it is best to find them all in an index, and sort them.
 */
export function statementRows(database: DatabaseSync, filter: StatementFilter, few = FEW): Row[] {
  const order = STATEMENT_ORDERS[filter.order ?? "time"];
  const { finders, others } = exchangeConditions(database, filter, few);
  const { session, since, until, minRows, minBytes, after, limit = 50 } = filter;
  const times = ofTimes(since, until);
  finders.push(...ofSessions(filter));
  if (session !== undefined) finders.push(having("session = ?", session));
  const rest: Condition[] = [
    ...others,
    { sql: "x.statement = x.id", values: [] },
    // What is not known is not sorted either.
    { sql: `x.${order.column} IS NOT NULL`, values: [] },
  ];
  for (const [what, least] of [
    ["rows", minRows],
    ["bytes", minBytes],
  ] as const) {
    if (least === undefined) continue;
    const finder = ofSize(STATEMENT_ORDERS[what], least);
    (bestOf(database, [finder], few / SIZE_SHARE) === undefined ? rest : finders).push(finder);
  }
  if (after !== undefined) {
    const sql = `x.${order.column} <= ? AND (x.${order.column} < ? OR x.id < ?)`;
    rest.push({ sql, values: [after.value, after.value, after.id] });
  }
  const asked: Asked = { ...order, conditions: [...finders, ...times, ...rest], limit };
  const isByTime = order.column === "time";
  const driver = bestOf(database, [...finders, ...times], isByTime ? few : few / READ);
  if (!isByTime) return driver === undefined ? inOrder(database, asked) : sorted(database, asked, driver);
  // Those of a time the order's index has side by side.
  if (times.some((each) => each === driver)) return inOrder(database, asked);
  const span = {
    from: since ?? 0,
    to: Math.min(until ?? Number.MAX_VALUE, after?.value ?? Number.MAX_VALUE),
  };
  if (driver !== undefined) return latest(database, asked, driver, span);
  // What is frequent mostly is so of late, too. If it was long ago, to go through all that came since takes seconds.
  const recent = newest(database, few / READ, span);
  if (recent === undefined) return inOrder(database, asked);
  const rows = inOrder(database, { ...asked, conditions: [...asked.conditions, recent] });
  if (rows.length === limit) return rows;
  const best = bestOf(database, finders);
  return best === undefined ? inOrder(database, asked) : latest(database, asked, best, span);
}

/** What is asked for, in which order. */
interface Asked {
  readonly column: string;
  /** The index that has statements in this order. */
  readonly index: string;
  readonly conditions: readonly Condition[];
  readonly limit: number;
}

/** Milliseconds since the Unix epoch, both ends included. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** As the order's index has them. */
function inOrder(database: DatabaseSync, { column, index, conditions, limit }: Asked): Row[] {
  const from = `exchanges x INDEXED BY ${index}`;
  return page(database, { from, by: `x.${column}`, conditions, limit });
}

/** All that a driver finds, sorted. */
function sorted(database: DatabaseSync, { column, conditions, limit }: Asked, driver: Finder): Row[] {
  const { sql, values } = select("rowid", driver.found);
  const found = { sql: `x.rowid IN (${sql})`, values };
  const rest = conditions.filter((each) => each !== driver);
  return page(database, { from: "exchanges x", by: `+x.${column}`, conditions: [found, ...rest], limit });
}

/**
 * A page of what a driver finds, the latest first: the index tells their times, so that no more rows are read than it takes to fill
 * the page.
 */
function latest(
  database: DatabaseSync,
  { column, conditions, limit }: Asked,
  driver: Finder,
  { from, to }: Span,
): Row[] {
  const found = select("rowid, time", driver.found);
  const candidates = database
    .prepare(`SELECT rowid, time FROM (${found.sql}) WHERE time BETWEEN ? AND ? ORDER BY time DESC`)
    .iterate(...found.values, from, to);
  const rest = conditions.filter((each) => each !== driver);
  const rows: Row[] = [];
  for (const chunk of chunksOf(candidates, 2 * limit)) {
    const these = { sql: "x.rowid IN (SELECT value FROM json_each(?))", values: [JSON.stringify(chunk)] };
    const missing = limit - rows.length;
    rows.push(
      ...page(database, {
        from: "exchanges x",
        by: `+x.${column}`,
        conditions: [these, ...rest],
        limit: missing,
      }),
    );
    if (rows.length >= limit) break;
  }
  return rows;
}

/** Their ids, each time twice as many as before. Those of one time stay together, as they are sorted by their ids then. */
function* chunksOf(candidates: Iterable<Row>, size: number): Generator<number[]> {
  let chunk: number[] = [];
  let last: unknown;
  for (const { rowid, time } of candidates) {
    if (chunk.length >= size && time !== last) {
      yield chunk;
      [chunk, size] = [[], 2 * size];
    }
    chunk.push(Number(rowid));
    last = time;
  }
  if (chunk.length > 0) yield chunk;
}

/** Of some of the newest statements of a span; undefined when these are all. */
function newest(database: DatabaseSync, count: number, { from, to }: Span): Condition | undefined {
  const last = database
    .prepare(
      `SELECT rowid FROM exchanges INDEXED BY statements_by_time
       WHERE statement = id AND time <= ? ORDER BY time DESC LIMIT 1`,
    )
    .get(to);
  // As they came, which is nearly the order of their times.
  const first = database
    .prepare("SELECT time FROM exchanges WHERE rowid <= ? ORDER BY rowid DESC LIMIT 1")
    .get(Number(last?.rowid ?? 0) - count);
  if (first === undefined || Number(first.time) <= from) return undefined;
  return { sql: "x.time >= ?", values: [Number(first.time)] };
}

interface Page {
  readonly from: string;
  /** By which they are sorted, the most first. */
  readonly by: string;
  readonly conditions: readonly Condition[];
  readonly limit: number;
}

function page(database: DatabaseSync, { from, by, conditions, limit }: Page): Row[] {
  const { sql, values } = all(conditions);
  return database
    .prepare(
      `SELECT x.*, t.text AS sql, m.text AS answer_message FROM (
         SELECT x.* FROM ${from} WHERE ${sql} ORDER BY ${by} DESC, x.id DESC LIMIT ?
       ) x LEFT JOIN texts t ON t.id = x.sql_text LEFT JOIN texts m ON m.id = x.answer_text
       ORDER BY ${by} DESC, x.id DESC`,
    )
    .all(...values, limit);
}

function ofSessions(filter: OfSession): Finder[] {
  const conditions = sessionConditions(filter);
  if (conditions.length === 0) return [];
  const { sql, values } = all(conditions);
  return [having(`session IN (SELECT s.id FROM sessions s WHERE ${sql})`, ...values)];
}

function ofSize({ column, index }: { column: string; index: string }, least: number): Finder {
  const found = { rows: [`statement = id AND ${column} >= ?`], values: [least], index };
  return { sql: `x.${column} >= ?`, values: found.values, found };
}

function ofTimes(since: number | undefined, until: number | undefined): Finder[] {
  const bounds: Condition[] = [];
  if (since !== undefined) bounds.push({ sql: "time >= ?", values: [since] });
  if (until !== undefined) bounds.push({ sql: "time < ?", values: [until] });
  if (bounds.length === 0) return [];
  const { sql, values } = all(bounds);
  const found = { rows: [`statement = id AND ${sql}`], values };
  return [{ sql: sql.replaceAll("time", "x.time"), values, found }];
}
