import { ApiError, invalidQuery } from "../errors.ts";
import type { TokenList } from "./token-list.ts";
import { quoteIdentifier, quoteString } from "./tokens.ts";

export interface TableName {
  dataset: string;
  table: string;
}

/** What an unqualified name is looked up in. */
export interface NameScope {
  project: string;
  defaultDataset: string | undefined;
}

export interface TablePath {
  parts: readonly string[];
  from: number;
  /** The last token of the path. */
  to: number;
}

/** Views that the sandbox has of `INFORMATION_SCHEMA`, by name; DuckDB's carry a `bq_` before it. */
export const INFORMATION_SCHEMA_VIEWS: Readonly<Record<string, string>> = {
  SCHEMATA: `SELECT schema_name, 'US' AS location FROM duckdb_schemas() WHERE database_name = 'memory' AND NOT internal
    AND schema_name NOT LIKE '\\_%' ESCAPE '\\' AND schema_name <> 'main' ORDER BY schema_name`,
  TABLES: `SELECT table_schema, table_name,
      CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type
    FROM information_schema.tables WHERE table_catalog = 'memory' ORDER BY table_name`,
  COLUMNS: `SELECT schema_name AS table_schema, table_name, column_name, CAST(column_index AS BIGINT) AS ordinal_position,
      CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS is_nullable, bq_type_name(data_type) AS data_type
    FROM duckdb_columns() WHERE database_name = 'memory' ORDER BY table_name, column_index`,
};

/** Words that end the tables of a FROM clause. */
const AFTER_FROM = new Set(
  "WHERE GROUP HAVING ORDER LIMIT QUALIFY WINDOW SELECT UNION INTERSECT EXCEPT SET WHEN".split(" "),
);

/** Words that cannot be the alias of what is before them. */
const NO_ALIAS = new Set([
  ..."ON USING JOIN CROSS LEFT RIGHT FULL INNER NATURAL WITH FOR TABLESAMPLE PIVOT UNPIVOT".split(" "),
  ...AFTER_FROM,
]);

/** What DuckDB would take for a subquery, and read or change tables by, though GoogleSQL has no such thing. */
const NO_SUBQUERY = new Set(
  "CREATE DELETE DESC DESCRIBE DROP FROM INSERT MERGE PIVOT SHOW SUMMARIZE TABLE UNPIVOT UPDATE VALUES".split(
    " ",
  ),
);

/** What may stand before a subquery. */
const BEFORE_SUBQUERY = new Set(["UNION", "INTERSECT", "EXCEPT", "ALL", "DISTINCT"]);

/** Reads `a.b.c`, in which a piece in backticks may hold several parts. */
export function readPath(list: TokenList, from: number): TablePath {
  if (!list.isName(from)) throw list.unexpected(from);
  const parts: string[] = [];
  let at = from;
  for (;;) {
    const token = list.tokens[at];
    if (token === undefined || !list.isName(at)) throw list.unexpected(at);
    parts.push(...(token.kind === "quoted" ? token.value.split(".") : [token.value]));
    if (!list.isSymbol(at + 1, ".")) return { parts, from, to: at };
    at += 2;
  }
}

/** The table that a path names. */
export function resolveTable(list: TokenList, path: TablePath, scope: NameScope): TableName {
  const { parts, from } = path;
  const [first = "", second, third] = parts;
  if (parts.length === 3 && second !== undefined && third !== undefined) {
    if (first !== scope.project) {
      throw new ApiError(
        403,
        "accessDenied",
        `Access Denied: Table ${first}:${second}.${third}: the bqtape sandbox has project ${scope.project} only, at ${list.place(from)}`,
      );
    }
    return { dataset: second, table: third };
  }
  if (parts.length === 2 && second !== undefined) return { dataset: first, table: second };
  if (parts.length === 1 && scope.defaultDataset !== undefined)
    return { dataset: scope.defaultDataset, table: first };
  if (parts.length > 3) throw invalidQuery(`Invalid table name: ${parts.join(".")} at ${list.place(from)}`);
  throw invalidQuery(
    `Table "${first}" must be qualified with a dataset (e.g. dataset.table) at ${list.place(from)}`,
  );
}

export interface Sources {
  tables: TableName[];
  /** Tokens that name tables, and so call no function when a parenthesis follows. */
  taken: Set<number>;
}

/**
 * Finds the tables that a statement reads, and gives DuckDB their names; rewrites UNNEST.
 *
 * @param from Where reading begins: after the statement's own target.
 */
export function rewriteSources(list: TokenList, from: number, scope: NameScope, isMerge: boolean): Sources {
  const tables: TableName[] = [];
  const taken = new Set<number>();
  const withNames = commonTableExpressions(list);
  /** For each open bracket, and at first for none, whether a comma or the bracket itself brings in a table. */
  const inFrom = [false];
  const joined = new Set<number>();

  const source = (index: number): void => {
    if (list.isSymbol(index, "(")) {
      if (list.isName(index + 1) && !["SELECT", "WITH"].includes(list.keyword(index + 1))) joined.add(index);
      return;
    }
    if (list.keyword(index) === "UNNEST" && list.isSymbol(index + 1, "(")) {
      unnest(list, index);
      return;
    }
    const path = readPath(list, index);
    for (let each = path.from; each <= path.to; each++) taken.add(each);
    if (list.isSymbol(path.to + 1, "(")) {
      throw invalidQuery(`Table-valued function not found: ${path.parts.join(".")} at ${list.place(index)}`);
    }
    if (path.parts.length === 1 && withNames.has((path.parts[0] ?? "").toLowerCase())) return;
    const view = informationSchema(list, path, scope);
    if (view !== undefined) {
      list.replace([path.from, path.to], view);
      return;
    }
    const table = resolveTable(list, path, scope);
    tables.push(table);
    list.replace([path.from, path.to], ` ${quoteIdentifier(table.dataset)}.${quoteIdentifier(table.table)}`);
  };

  for (let index = from; index < list.length; index++) {
    const top = inFrom.length - 1;
    const keyword = list.keyword(index);
    const opens = list.isSymbol(index, "(") || BEFORE_SUBQUERY.has(keyword);
    if (opens && NO_SUBQUERY.has(list.keyword(index + 1)) && isOperand(list, index + 2))
      throw list.unexpected(index + 1);
    if (list.isSymbol(index, "(") || list.isSymbol(index, "[")) {
      inFrom.push(joined.has(index));
      if (joined.has(index)) source(index + 1);
    } else if (list.isSymbol(index, ")") || list.isSymbol(index, "]")) inFrom.pop();
    else if (list.isSymbol(index, ",") && inFrom[top]) source(index + 1);
    else if (keyword === "FROM" && !isNoClause(list, index)) {
      inFrom[top] = true;
      source(index + 1);
    } else if (keyword === "JOIN") source(index + 1);
    else if (keyword === "USING" && !list.isSymbol(index + 1, "(")) {
      // Of JOIN with its columns in brackets, or of MERGE; DuckDB has one for DELETE, too.
      if (!isMerge || top > 0) throw list.unexpected(index);
      source(index + 1);
    } else if (keyword === "USING" && isMerge && top === 0) source(index + 1);
    else if (keyword === "IN" && list.keyword(index + 1) === "UNNEST" && list.isSymbol(index + 2, "(")) {
      list.setOut(index + 1, " (SELECT unnest");
      list.setOut(list.partner(index + 2), "))");
    } else if (AFTER_FROM.has(keyword)) inFrom[top] = false;
  }
  return { tables, taken };
}

/** What follows the first word of a statement, and not a column of such a name. */
function isOperand(list: TokenList, index: number): boolean {
  return list.isName(index) || list.tokens[index]?.kind === "string" || list.isSymbol(index, "(");
}

/** FROM in `EXTRACT(part FROM x)` and in `IS DISTINCT FROM`. */
function isNoClause(list: TokenList, index: number): boolean {
  return (
    list.keyword(index - 1) === "DISTINCT" ||
    (list.isSymbol(index - 2, "(") && list.keyword(index - 3) === "EXTRACT")
  );
}

/** The names that WITH gives, in small letters. */
function commonTableExpressions(list: TokenList): Set<string> {
  const names = new Set<string>();
  for (const [index, token] of list.tokens.entries()) {
    const isBody = list.keyword(index + 1) === "AS" && list.isSymbol(index + 2, "(");
    const begins = list.isSymbol(index + 3, "(") || ["SELECT", "WITH"].includes(list.keyword(index + 3));
    if (list.isName(index) && isBody && begins) names.add(token.value.toLowerCase());
  }
  return names;
}

/** `UNNEST(a) AS x` names the elements x; `WITH OFFSET AS o` numbers them from 0. DuckDB names a table of one column. */
function unnest(list: TokenList, index: number): void {
  const open = index + 1;
  const close = list.partner(open);
  let at = close + 1;
  const aliasAt = list.keyword(at) === "AS" ? at + 1 : at;
  const hasAlias = list.isName(aliasAt) && !NO_ALIAS.has(list.keyword(aliasAt));
  const alias = hasAlias ? quoteIdentifier(list.tokens[aliasAt]?.value ?? "") : '"unnest"';
  if (hasAlias) at = aliasAt + 1;
  if (!list.keywords(at, "WITH", "OFFSET")) {
    if (hasAlias) list.setOut(aliasAt, `${alias}(${alias})`);
    return;
  }
  const offsetAt = list.keyword(at + 2) === "AS" ? at + 3 : at + 2;
  const hasOffsetAlias = list.isName(offsetAt) && !NO_ALIAS.has(list.keyword(offsetAt));
  const offset = hasOffsetAlias ? quoteIdentifier(list.tokens[offsetAt]?.value ?? "") : '"offset"';
  list.replace([close + 1, hasOffsetAlias ? offsetAt : at + 1], "");
  list.setOut(index, "(SELECT unnest(elements), unnest(range(len(elements))) FROM (SELECT ");
  list.setOut(open, "");
  list.setOut(close, ` AS elements)) AS ${alias}(${alias}, ${offset})`);
}

/** A subquery on the sandbox's view, when the path leads into INFORMATION_SCHEMA. */
function informationSchema(list: TokenList, path: TablePath, scope: NameScope): string | undefined {
  const at = path.parts.findIndex((part) => part.toUpperCase() === "INFORMATION_SCHEMA");
  if (at < 0) return undefined;
  const view = (path.parts[at + 1] ?? "").toUpperCase();
  const before = path.parts[0] === scope.project ? path.parts.slice(1, at) : path.parts.slice(0, at);
  const [dataset, ...rest] = before;
  if (INFORMATION_SCHEMA_VIEWS[view] === undefined || rest.length > 0 || path.parts.length !== at + 2) {
    throw list.unsupported(path.from, `INFORMATION_SCHEMA.${view}`);
  }
  if (view === "SCHEMATA") return ` (SELECT * FROM "bq_SCHEMATA")`;
  if (dataset === undefined)
    throw list.unsupported(path.from, "INFORMATION_SCHEMA without a dataset before it");
  return ` (SELECT * FROM "bq_${view}" WHERE table_schema = ${quoteString(dataset)})`;
}
