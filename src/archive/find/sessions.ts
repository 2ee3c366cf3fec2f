import type { DatabaseSync } from "node:sqlite";
import type { Row } from "../records/row.ts";
import { exchangeConditions, type OfExchange, type OfSession, sessionConditions } from "./conditions.ts";
import { all, bestOf, type Condition, type Finder, foundBy } from "./driver.ts";

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

/** The most recently active first. */
export function sessionRows(database: DatabaseSync, filter: SessionFilter): Row[] {
  const { since, until, after, limit = 50 } = filter;
  const conditions: Condition[] = sessionConditions(filter);
  if (since !== undefined) conditions.push({ sql: "s.last_activity >= ?", values: [since] });
  if (until !== undefined) conditions.push({ sql: "s.started < ?", values: [until] });
  if (after !== undefined) {
    const sql = "(s.last_activity, s.id) < (?, ?)";
    conditions.push({ sql, values: [after.value, after.id] });
  }
  const { finders, others } = exchangeConditions(database, filter);
  if (finders.length + others.length > 0) {
    const driver = bestOf(database, finders);
    const rest = [...finders.filter((each) => each !== driver), ...others];
    conditions.push(ofExchanges(driver, rest));
  }
  const { sql, values } = all(conditions);
  return database
    .prepare(`SELECT s.* FROM sessions s WHERE ${sql} ORDER BY s.last_activity DESC, s.id DESC LIMIT ?`)
    .all(...values, limit);
}

/** Sessions with an exchange of which all of this holds. Of those that a driver finds, rows are read only when more is asked of them. */
function ofExchanges(driver: Required<Finder> | undefined, rest: readonly Condition[]): Condition {
  const { sql, values } = all(rest);
  if (driver === undefined)
    return { sql: `EXISTS (SELECT 1 FROM exchanges x WHERE x.session = s.id AND ${sql})`, values };
  if (rest.length === 0) return { sql: `s.id IN (${foundBy(driver, "session")})`, values: driver.values };
  const found = `x.rowid IN (${foundBy(driver, "rowid")})`;
  return {
    sql: `s.id IN (SELECT x.session FROM exchanges x WHERE ${found} AND ${sql})`,
    values: [...driver.values, ...values],
  };
}
