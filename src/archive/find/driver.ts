import type { DatabaseSync, SQLInputValue } from "node:sqlite";

/** A part of a WHERE, and the values of its places. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** A condition of `exchanges x` whose rows an index can find. */
export interface Finder extends Condition {
  readonly found: Found;
}

/**
 * What finds rows: parts of a WHERE of `exchanges` alone, of which one must hold. Each is answered by an index that also has
 * `time` and `session`, so that rows are read only when they are wanted: to read twenty thousand from all over a disk takes a
 * second. (Those of a time are read, and lie side by side; those of a size are read when there are very few.)
 */
export interface Found {
  readonly rows: readonly string[];
  readonly values: readonly SQLInputValue[];
  /** The index that finds them, where SQLite would take another. */
  readonly index?: string;
  /** Whether more than few were counted. */
  readonly many?: boolean;
}

/**
 * Rows up to which it is best to find them all in an index and sort them: some hundred milliseconds. Of more than these, a page is
 * mostly soon full in any order.
 */
export const FEW = 100_000;
/** So many are found in an index alone in the time in which one is read from a warm cache. */
export const READ = 5;

export function all(conditions: readonly Condition[]): Condition {
  const sql = conditions.length === 0 ? "TRUE" : conditions.map((each) => `(${each.sql})`).join(" AND ");
  return { sql, values: conditions.flatMap(({ values }) => values) };
}

/** Selects what is found; an exchange may be found twice. */
export function select(columns: string, { rows, values, index }: Found): Condition {
  const from = index === undefined ? "exchanges" : `exchanges INDEXED BY ${index}`;
  return {
    sql: rows.map((each) => `SELECT ${columns} FROM ${from} WHERE ${each}`).join(" UNION ALL "),
    values,
  };
}

/**
 * The one of the finders that finds the fewest rows; undefined when there is none, or each finds more than `few`. SQLite's planner
 * has no statistics of words and users, and a wrong order is seconds instead of milliseconds over a million rows.
 *
 * @param few default: however many. What is known to be more than few is not counted then, but taken when there is nothing else.
 */
export function bestOf(database: DatabaseSync, finders: readonly Finder[], few?: number): Finder | undefined {
  let best: { readonly finder: Finder; readonly count: number } | undefined;
  for (const finder of finders) {
    if (finder.found.many === true) continue;
    const limit = best?.count ?? (few === undefined ? Number.MAX_SAFE_INTEGER : few + 1);
    const { sql, values } = select("1", finder.found);
    const row = database.prepare(`SELECT count(*) AS count FROM (${sql} LIMIT ${limit})`).get(...values);
    const count = Number(row?.count ?? 0);
    if (count < limit) best = { finder, count };
  }
  return best?.finder ?? (few === undefined ? finders[0] : undefined);
}
