import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Condition, Finder } from "./driver.ts";
import { HAS_WORDS, matchWords, type TextMatch } from "./words.ts";

/** Which sessions; texts are told apart without their case, times are milliseconds since the Unix epoch. */
export interface OfSession {
  /** A user or a subject. */
  readonly user?: string | undefined;
  readonly group?: string | undefined;
  /** What the agent is called. */
  readonly agent?: string | undefined;
}

/** Which exchanges. All that is given must hold for one of them. */
export interface OfExchange {
  /** `table`, `dataset.table` or `project.dataset.table`: named by the request, or anywhere in its SQL. */
  readonly table?: string | undefined;
  /** A column of the result, or a word of the SQL. */
  readonly column?: string | undefined;
  /** Words that stand next to each other in SQL or an error; the last may be the beginning of one. */
  readonly text?: string | undefined;
  /** `SELECT`, `INSERT` …, as BigQuery says. */
  readonly type?: string | undefined;
  readonly denied?: boolean | undefined;
  /** HTTP status. */
  readonly status?: number | undefined;
}

/** Of `sessions s`; undefined when anything will do. */
export function sessionConditions({ user, group, agent }: OfSession): Condition[] {
  const conditions: Condition[] = [];
  if (user !== undefined) {
    conditions.push({
      sql: "s.user = ? COLLATE NOCASE OR s.subject = ? COLLATE NOCASE",
      values: [user, user],
    });
  }
  if (group !== undefined) {
    const sql = "EXISTS (SELECT 1 FROM json_each(s.principal_groups) WHERE value = ? COLLATE NOCASE)";
    conditions.push({ sql, values: [group] });
  }
  if (agent !== undefined) conditions.push({ sql: "s.agent = ? COLLATE NOCASE", values: [agent] });
  return conditions;
}

/**
 * Of `exchanges x`.
 *
 * @param few rows up to which it is best to find them all.
 */
export function exchangeConditions(
  database: DatabaseSync,
  filter: OfExchange,
  few: number,
): { readonly finders: Finder[]; readonly others: Condition[] } {
  const { table, column, text, type, denied, status } = filter;
  const finders: Finder[] = [];
  const others: Condition[] = [];
  const ofTexts = (words: string, partial: boolean, columns: readonly TextColumn[]): Finder =>
    inTexts(matchWords(database, words, partial, few), columns);
  if (table !== undefined) {
    const name = table.replaceAll("`", "");
    finders.push(ofTable(name, ofTexts(name, false, ["sql_text"])));
  }
  if (column !== undefined) finders.push(ofTexts(column, false, ["sql_text", "columns_text"]));
  if (text !== undefined) finders.push(ofTexts(text, true, ["sql_text", "answer_text"]));
  if (denied === true) finders.push(having("outcome = 'denied'"));
  // As BigQuery writes them, so that an index can tell.
  if (type !== undefined) finders.push(having("statement_type = ?", type.toUpperCase()));
  if (status !== undefined && status < 400) others.push({ sql: "x.status = ?", values: [status] });
  if (status !== undefined && status >= 400) finders.push(having("status = ? AND status >= 400", status));
  return { finders, others };
}

/** @param condition that begins with the name of a column. */
export function having(condition: string, ...values: readonly SQLInputValue[]): Finder {
  return { sql: `x.${condition}`, values, found: { rows: [condition], values } };
}

type TextColumn = "sql_text" | "columns_text" | "answer_text";

function inTexts({ query, words, partial, many }: TextMatch, columns: readonly TextColumn[]): Finder {
  const one = (name: string) => `${name} IN (SELECT rowid FROM texts_index WHERE texts_index MATCH ?)`;
  const found = { rows: columns.map(one), values: columns.map(() => query), many };
  if (!many)
    return { sql: columns.map((name) => one(`x.${name}`)).join(" OR "), values: found.values, found };
  // To list so many takes longer than to look at the few texts that it takes to fill a page.
  const hasWords = (name: string) =>
    `EXISTS (SELECT 1 FROM texts w WHERE w.id = x.${name} AND ${HAS_WORDS}(w.text, ?, ?))`;
  return {
    sql: columns.map(hasWords).join(" OR "),
    values: columns.flatMap(() => [words, partial]),
    found,
  };
}

/** Named by the request's path, or in its SQL, where each part may stand in backquotes of its own. */
function ofTable(name: string, inSql: Finder): Finder {
  const [table = "", dataset, project] = name.split(".").reverse();
  const path = (prefix: string) =>
    [
      `${prefix}table_name = ?`,
      ...(dataset === undefined ? [] : [`${prefix}dataset = ?`]),
      ...(project === undefined ? [] : [`${prefix}project = ?`]),
    ].join(" AND ");
  const parts = [
    table,
    ...(dataset === undefined ? [] : [dataset]),
    ...(project === undefined ? [] : [project]),
  ];
  const { found } = inSql;
  return {
    sql: `${path("x.")} OR ${inSql.sql}`,
    values: [...parts, ...inSql.values],
    found: { ...found, rows: [path(""), ...found.rows], values: [...parts, ...found.values] },
  };
}
