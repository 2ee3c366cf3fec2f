import type { DatabaseSync } from "node:sqlite";
import type { Row } from "../records/row.ts";
import { exchangeConditions, type OfExchange, type OfSession, sessionConditions } from "./conditions.ts";
import { all, bestOf, type Condition, FEW, type Finder, READ, select } from "./driver.ts";

/** Which sessions; what is asked of exchanges must all hold for one exchange of the session. */
export interface SessionFilter extends OfSession, OfExchange {
  /** Only sessions with activity since then; milliseconds since the Unix epoch. */
  readonly since?: number | undefined;
  /** Only sessions that began before then. */
  readonly until?: number | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
  /** Where the page before ended: the last session's activity and id. */
  readonly after?: { readonly value: number; readonly id: string } | undefined;
}

/** Exchanges of a session, roughly: so many sessions are looked at one by one as few exchanges are. */
const OF_SESSION = 200;

/**
 * The most recently active first.
 *
 * @param few exchanges up to which it is best to find them all in an index.
 */
export function sessionRows(database: DatabaseSync, filter: SessionFilter, few = FEW): Row[] {
  const { since, until, after, limit = 50 } = filter;
  const conditions: Condition[] = sessionConditions(filter);
  if (since !== undefined) conditions.push({ sql: "s.last_activity >= ?", values: [since] });
  if (until !== undefined) conditions.push({ sql: "s.started < ?", values: [until] });
  if (after !== undefined) {
    const sql = "(s.last_activity, s.id) < (?, ?)";
    conditions.push({ sql, values: [after.value, after.id] });
  }
  const { finders, others } = exchangeConditions(database, filter, few);
  if (finders.length + others.length === 0) return page(database, conditions, limit);
  // With more to be asked of them rows have to be read.
  const driver = bestOf(database, finders, finders.length + others.length === 1 ? few : few / READ);
  if (driver !== undefined) return page(database, [...conditions, among(driver, finders, others)], limit);
  const { sql, values } = all([...finders, ...others]);
  const having = { sql: `EXISTS (SELECT 1 FROM exchanges x WHERE x.session = s.id AND ${sql})`, values };
  // What is frequent mostly is so of late, too. If it was long ago, to look at each session since takes seconds.
  const edge = newest(database, conditions, Math.ceil(few / READ / OF_SESSION));
  if (edge === undefined) return page(database, [...conditions, having], limit);
  const recent = page(database, [...conditions, edge, having], limit);
  if (recent.length === limit) return recent;
  const best = bestOf(database, finders);
  return page(database, [...conditions, best === undefined ? having : among(best, finders, others)], limit);
}

function page(database: DatabaseSync, conditions: readonly Condition[], limit: number): Row[] {
  const { sql, values } = all(conditions);
  return database
    .prepare(`SELECT s.* FROM sessions s WHERE ${sql} ORDER BY s.last_activity DESC, s.id DESC LIMIT ?`)
    .all(...values, limit);
}

/** The session's exchanges that a driver finds; their rows are read only when more is asked of them. */
function among(driver: Finder, finders: readonly Finder[], others: readonly Condition[]): Condition {
  const rest = [...finders.filter((each) => each !== driver), ...others];
  if (rest.length === 0) {
    const { sql, values } = select("session", driver.found);
    return { sql: `s.id IN (${sql})`, values };
  }
  const found = select("rowid", driver.found);
  const { sql, values } = all(rest);
  return {
    sql: `s.id IN (SELECT x.session FROM exchanges x WHERE x.rowid IN (${found.sql}) AND ${sql})`,
    values: [...found.values, ...values],
  };
}

/** Of some of the newest sessions; undefined when these are all. */
function newest(
  database: DatabaseSync,
  conditions: readonly Condition[],
  count: number,
): Condition | undefined {
  const { sql, values } = all(conditions);
  const oldest = database
    .prepare(
      `SELECT s.last_activity FROM sessions s WHERE ${sql} ORDER BY s.last_activity DESC LIMIT 1 OFFSET ${count}`,
    )
    .get(...values);
  if (oldest === undefined) return undefined;
  return { sql: "s.last_activity >= ?", values: [Number(oldest.last_activity)] };
}
