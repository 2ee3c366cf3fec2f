import type { DatabaseSync } from "node:sqlite";
import type { Row } from "../records/row.ts";
import { exchangeConditions, type OfExchange, type OfSession, sessionConditions } from "./conditions.ts";
import { all, bestOf, type Condition, type Finder, foundBy } from "./driver.ts";

/** By what statements are sorted, the most first: see the columns of the same names. */
export const STATEMENT_ORDERS = {
  time: { column: "time", index: "statements_by_time" },
  rows: { column: "statement_rows", index: "statements_by_rows" },
  bytes: { column: "statement_bytes", index: "statements_by_bytes" },
  processed: { column: "bytes_processed", index: "statements_by_processed" },
} as const;

export type StatementOrder = keyof typeof STATEMENT_ORDERS;

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

/** The first rows of a page's statements, each an exchange's with its `sql` and `answer_message`. */
export function statementRows(database: DatabaseSync, filter: StatementFilter): Row[] {
  const order = STATEMENT_ORDERS[filter.order ?? "time"];
  const { finders, others } = exchangeConditions(database, filter);
  const { session, since, until, minRows, minBytes, after, limit = 50 } = filter;
  const times = ofTimes(since, until);
  const indexed = [...finders, ...ofSessions(filter), ...times];
  if (session !== undefined) indexed.push({ sql: "x.session = ?", rows: ["session = ?"], values: [session] });
  const rest: Condition[] = [
    ...others,
    { sql: "x.statement = x.id", values: [] },
    // What is not known is not sorted either.
    { sql: `x.${order.column} IS NOT NULL`, values: [] },
  ];
  if (minRows !== undefined) rest.push({ sql: "x.statement_rows >= ?", values: [minRows] });
  if (minBytes !== undefined) rest.push({ sql: "x.statement_bytes >= ?", values: [minBytes] });
  if (after !== undefined) {
    const sql = `x.${order.column} <= ? AND (x.${order.column} < ? OR x.id < ?)`;
    rest.push({ sql, values: [after.value, after.value, after.id] });
  }
  const best = bestOf(database, indexed);
  // Those of a time the order's index has side by side.
  const driver = order.column === "time" && times.some((each) => each === best) ? undefined : best;
  const conditions = [...indexed.filter((each) => each !== driver), ...rest];
  const column = `x.${order.column}`;
  // The order's index gives them in order; a driver's rows are found first, and sorted then.
  if (driver === undefined) return page(database, { index: order.index, column, conditions, limit });
  if (order.column === "time")
    return latest(database, driver, { column, conditions, limit, until: after?.value });
  const found = { sql: `x.rowid IN (${foundBy(driver, "rowid")})`, values: driver.values };
  return page(database, { column: `+${column}`, conditions: [found, ...conditions], limit });
}

interface Page {
  /** By which they are sorted, the most first. */
  readonly column: string;
  readonly conditions: readonly Condition[];
  readonly limit: number;
  /** The index that has them in this order; without, one that finds them is chosen. */
  readonly index?: string;
}

function page(database: DatabaseSync, { column, conditions, limit, index }: Page): Row[] {
  const { sql, values } = all(conditions);
  const from = index === undefined ? "exchanges x" : `exchanges x INDEXED BY ${index}`;
  return database
    .prepare(
      `SELECT x.*, t.text AS sql, m.text AS answer_message FROM (
         SELECT x.* FROM ${from} WHERE ${sql} ORDER BY ${column} DESC, x.id DESC LIMIT ?
       ) x LEFT JOIN texts t ON t.id = x.sql_text LEFT JOIN texts m ON m.id = x.answer_text
       ORDER BY ${column} DESC, x.id DESC`,
    )
    .all(...values, limit);
}

/**
 * A page of what a driver finds, the latest first: the index tells their times, so that no more rows are read than it takes to fill
 * the page.
 *
 * @param until where the page before ended: milliseconds since the Unix epoch.
 */
function latest(
  database: DatabaseSync,
  driver: Required<Finder>,
  { column, conditions, limit, until = Number.MAX_VALUE }: Page & { readonly until: number | undefined },
): Row[] {
  const candidates = database
    .prepare(`SELECT rowid, time FROM (${foundBy(driver, "rowid, time")}) WHERE time <= ? ORDER BY time DESC`)
    .all(...driver.values, until);
  const rows: Row[] = [];
  for (let [from, step] = [0, 2 * limit]; from < candidates.length && rows.length < limit; step *= 2) {
    // Those of one time stay together, as they are sorted by their ids then.
    let end = Math.min(from + step, candidates.length);
    while (candidates[end] !== undefined && candidates[end]?.time === candidates[end - 1]?.time) end += 1;
    const ids = JSON.stringify(candidates.slice(from, end).map(({ rowid }) => Number(rowid)));
    const found = { sql: "x.rowid IN (SELECT value FROM json_each(?))", values: [ids] };
    const missing = limit - rows.length;
    rows.push(
      ...page(database, { column: `+${column}`, conditions: [found, ...conditions], limit: missing }),
    );
    from = end;
  }
  return rows;
}

function ofSessions(filter: OfSession): Finder[] {
  const conditions = sessionConditions(filter);
  if (conditions.length === 0) return [];
  const { sql, values } = all(conditions);
  const sessions = `SELECT s.id FROM sessions s WHERE ${sql}`;
  return [
    {
      sql: `x.session IN (${sessions})`,
      rows: [`session IN (${sessions})`],
      values,
    },
  ];
}

function ofTimes(since: number | undefined, until: number | undefined): Finder[] {
  const bounds: Condition[] = [];
  if (since !== undefined) bounds.push({ sql: "time >= ?", values: [since] });
  if (until !== undefined) bounds.push({ sql: "time < ?", values: [until] });
  if (bounds.length === 0) return [];
  const { sql, values } = all(bounds);
  return [
    {
      sql: sql.replaceAll("time", "x.time"),
      rows: [`statement = id AND ${sql}`],
      values,
    },
  ];
}
