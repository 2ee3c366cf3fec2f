import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Row } from "../records/row.ts";
import { exchangeConditions, type OfExchange, type OfSession, sessionConditions } from "./conditions.ts";
import { all, bestOf, type Condition, type Finder } from "./driver.ts";

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
  const { session, since, until, minRows, minBytes, after } = filter;
  const indexed = [...finders, ...ofSessions(filter), ...ofTimes(since, until)];
  if (session !== undefined) {
    const rows = "SELECT rowid FROM exchanges WHERE session = ?";
    indexed.push({ sql: "x.session = ?", rows, values: [session] });
  }
  // What is not known is not sorted either.
  const rest: Condition[] = [...others, { sql: `x.${order.column} IS NOT NULL`, values: [] }];
  if (minRows !== undefined) rest.push({ sql: "x.statement_rows >= ?", values: [minRows] });
  if (minBytes !== undefined) rest.push({ sql: "x.statement_bytes >= ?", values: [minBytes] });
  if (after !== undefined) {
    const sql = `x.${order.column} <= ? AND (x.${order.column} < ? OR x.id < ?)`;
    rest.push({ sql, values: [after.value, after.value, after.id] });
  }
  const driver = bestOf(database, indexed);
  const conditions = all([...indexed.filter((each) => each !== driver), ...rest]);
  const values: SQLInputValue[] = [...(driver?.values ?? []), ...conditions.values, filter.limit ?? 50];
  // A driver's rows are found first and sorted then; without one, the order's index gives them in order.
  const from = driver === undefined ? `exchanges x INDEXED BY ${order.index}` : "exchanges x";
  const found = driver === undefined ? "" : `x.rowid IN (${driver.rows}) AND`;
  const by = driver === undefined ? `x.${order.column}` : `+x.${order.column}`;
  return database
    .prepare(
      `SELECT x.*, t.text AS sql, m.text AS answer_message FROM (
         SELECT x.* FROM ${from} WHERE ${found} x.statement = x.id AND ${conditions.sql}
         ORDER BY ${by} DESC, x.id DESC LIMIT ?
       ) x LEFT JOIN texts t ON t.id = x.sql_text LEFT JOIN texts m ON m.id = x.answer_text
       ORDER BY x.${order.column} DESC, x.id DESC`,
    )
    .all(...values);
}

function ofSessions(filter: OfSession): Finder[] {
  const conditions = sessionConditions(filter);
  if (conditions.length === 0) return [];
  const { sql, values } = all(conditions);
  const sessions = `SELECT s.id FROM sessions s WHERE ${sql}`;
  return [
    {
      sql: `x.session IN (${sessions})`,
      rows: `SELECT rowid FROM exchanges WHERE session IN (${sessions})`,
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
      rows: `SELECT rowid FROM exchanges WHERE statement = id AND ${sql}`,
      values,
    },
  ];
}
