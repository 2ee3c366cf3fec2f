import type { DatabaseSync, SQLInputValue } from "node:sqlite";

/** A part of a WHERE, and the values of its places. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** A condition of `exchanges x` whose rows an index can find. */
export interface Finder extends Condition {
  /**
   * What finds them: parts of a WHERE of `exchanges` alone, of which one must hold, with the same values in the same order. Each
   * is answered by an index that also has `time` and `session`, so that rows are read only when they are wanted: to read
   * twenty thousand from all over a disk takes a second. (Those of a time are read, and lie side by side.) Absent when they are
   * sure to be many.
   */
  readonly rows?: readonly string[];
}

/** Rows up to which it is best to find them all and sort them; from more than these, a page is soon full in any order. */
const FEW = 20_000;

export function all(conditions: readonly Condition[]): Condition {
  const sql = conditions.length === 0 ? "TRUE" : conditions.map((each) => `(${each.sql})`).join(" AND ");
  return { sql, values: conditions.flatMap(({ values }) => values) };
}

/** Selects what a finder finds; an exchange may be found twice. */
export function foundBy({ rows }: Required<Finder>, columns: string): string {
  return rows.map((condition) => `SELECT ${columns} FROM exchanges WHERE ${condition}`).join(" UNION ALL ");
}

/**
 * The one of the finders that finds the fewest rows, when these are few; undefined when each finds many. SQLite's planner has
 * no statistics of words and users, and a wrong order is seconds instead of milliseconds over a million rows.
 */
export function bestOf(database: DatabaseSync, finders: readonly Finder[]): Required<Finder> | undefined {
  let best: { readonly finder: Required<Finder>; readonly count: number } | undefined;
  for (const finder of finders) {
    if (!hasRows(finder)) continue;
    const limit = best?.count ?? FEW + 1;
    const row = database
      .prepare(`SELECT count(*) AS count FROM (${foundBy(finder, "1")} LIMIT ${limit})`)
      .get(...finder.values);
    const count = Number(row?.count ?? 0);
    if (count < limit) best = { finder, count };
  }
  return best?.finder;
}

function hasRows(finder: Finder): finder is Required<Finder> {
  return finder.rows !== undefined;
}
