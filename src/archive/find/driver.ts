import type { DatabaseSync, SQLInputValue } from "node:sqlite";

/** A part of a WHERE, and the values of its places. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** A condition whose rows an index can find: `rows` selects their rowids, and is absent when they are sure to be many. */
export interface Finder extends Condition {
  readonly rows?: string;
}

/** Rows up to which it is best to find them all and sort them; from more than these, a page is soon full in any order. */
const FEW = 20_000;

export function all(conditions: readonly Condition[]): Condition {
  const sql = conditions.length === 0 ? "TRUE" : conditions.map((each) => `(${each.sql})`).join(" AND ");
  return { sql, values: conditions.flatMap(({ values }) => values) };
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
      .prepare(`SELECT count(*) AS count FROM (${finder.rows} LIMIT ${limit})`)
      .get(...finder.values);
    const count = Number(row?.count ?? 0);
    if (count < limit) best = { finder, count };
  }
  return best?.finder;
}

function hasRows(finder: Finder): finder is Required<Finder> {
  return finder.rows !== undefined;
}
