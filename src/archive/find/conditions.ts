import type { DatabaseSync } from "node:sqlite";
import type { Condition, Finder } from "./driver.ts";
import { HAS_WORDS, matchWords } from "./words.ts";

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

/** Of `exchanges x`. */
export function exchangeConditions(
  database: DatabaseSync,
  filter: OfExchange,
): { readonly finders: Finder[]; readonly others: Condition[] } {
  const { table, column, text, type, denied, status } = filter;
  const finders: Finder[] = [];
  const others: Condition[] = [];
  if (table !== undefined) finders.push(ofTable(database, table.replaceAll("`", "")));
  if (column !== undefined) finders.push(ofTexts(database, column, false, ["sql_text", "columns_text"]));
  if (text !== undefined) finders.push(ofTexts(database, text, true, ["sql_text", "answer_text"]));
  if (denied === true)
    finders.push({ sql: "x.outcome = 'denied'", rows: ["outcome = 'denied'"], values: [] });
  if (type !== undefined) {
    // As BigQuery writes them, so that an index can tell.
    finders.push({
      sql: "x.statement_type = ?",
      rows: ["statement_type = ?"],
      values: [type.toUpperCase()],
    });
  }
  if (status !== undefined && status < 400) others.push({ sql: "x.status = ?", values: [status] });
  if (status !== undefined && status >= 400) {
    const rows = ["status = ? AND status >= 400"];
    finders.push({ sql: "x.status = ?", rows, values: [status] });
  }
  return { finders, others };
}

type TextColumn = "sql_text" | "columns_text" | "answer_text";

function ofTexts(
  database: DatabaseSync,
  words: string,
  partial: boolean,
  columns: readonly TextColumn[],
): Finder {
  const match = matchWords(database, words, partial);
  if (match.kind === "ids") {
    const one = (name: TextColumn) => `${name} IN (SELECT value FROM json_each(?))`;
    return {
      sql: columns.map((name) => `x.${one(name)}`).join(" OR "),
      rows: columns.map(one),
      values: columns.map(() => match.ids),
    };
  }
  const one = (name: string) =>
    `EXISTS (SELECT 1 FROM texts w WHERE w.id = ${name} AND ${HAS_WORDS}(w.text, ?, ?))`;
  return {
    sql: columns.map((name) => one(`x.${name}`)).join(" OR "),
    values: columns.flatMap(() => [match.words, match.partial]),
  };
}

/** Named by the request's path, or in its SQL, where each part may stand in backquotes of its own. */
function ofTable(database: DatabaseSync, name: string): Finder {
  const [table = "", dataset, project] = name.split(".").reverse();
  const path = (prefix: string) =>
    [
      `${prefix}table_name = ?`,
      ...(dataset === undefined ? [] : [`${prefix}dataset = ?`]),
      ...(project === undefined ? [] : [`${prefix}project = ?`]),
    ].join(" AND ");
  const inSql = ofTexts(database, name, false, ["sql_text"]);
  const parts = [
    table,
    ...(dataset === undefined ? [] : [dataset]),
    ...(project === undefined ? [] : [project]),
  ];
  return {
    sql: `${path("x.")} OR ${inSql.sql}`,
    ...(inSql.rows !== undefined && { rows: [path(""), ...inSql.rows] }),
    values: [...parts, ...inSql.values],
  };
}
