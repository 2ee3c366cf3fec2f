import { toDuckDBSql } from "../sql-types.ts";
import { type NameScope, readPath, resolveTable } from "./tables.ts";
import type { TokenList } from "./token-list.ts";
import { quoteIdentifier } from "./tokens.ts";
import { parseType } from "./types.ts";

/** `statementType` of JobStatistics2, as far as the sandbox runs them. */
export type StatementKind =
  | "ALTER_TABLE"
  | "CREATE_SCHEMA"
  | "CREATE_TABLE"
  | "CREATE_TABLE_AS_SELECT"
  | "CREATE_VIEW"
  | "DELETE"
  | "DROP_SCHEMA"
  | "DROP_TABLE"
  | "DROP_VIEW"
  | "INSERT"
  | "MERGE"
  | "SELECT"
  | "TRUNCATE_TABLE"
  | "UPDATE";

/** What a statement writes, creates, changes or drops. A dataset has no table. */
export interface Target {
  dataset: string;
  table: string | undefined;
  /** Whether the statement means it to be there before: it does not for CREATE, nor where it says IF EXISTS. */
  mustExist: boolean;
  orReplace: boolean;
  ifNotExists: boolean;
}

export interface Statement {
  kind: StatementKind;
  target: Target | undefined;
  /** Where the tables that it reads may begin. */
  sourcesFrom: number;
  /** Tokens that are known to call no function. */
  taken: Set<number>;
  definition: string | undefined;
}

/**
 * Tells the kind of a statement from its first words, gives DuckDB the name of its target, and refuses what is not among
 * the kinds, DuckDB's own statements above all.
 */
export function classify(list: TokenList, scope: NameScope): Statement {
  let at = 0;
  while (list.isSymbol(at, "(")) at++;
  const first = list.keyword(at);
  if (first === "SELECT" || first === "WITH") {
    return { kind: "SELECT", target: undefined, sourcesFrom: 0, taken: new Set(), definition: undefined };
  }
  at = 0;
  switch (first) {
    case "INSERT":
      return named(list, "INSERT", optional(list, 1, "INTO"), scope);
    case "UPDATE":
      requireWhere(list, "UPDATE");
      return named(list, "UPDATE", 1, scope);
    case "DELETE":
      requireWhere(list, "DELETE");
      return named(list, "DELETE", optional(list, 1, "FROM"), scope);
    case "MERGE":
      return named(list, "MERGE", optional(list, 1, "INTO"), scope);
    case "TRUNCATE":
      if (!list.keywords(1, "TABLE")) throw list.unexpected(1);
      return onlyName(named(list, "TRUNCATE_TABLE", 2, scope), list);
    case "CREATE":
      return create(list, scope);
    case "DROP":
      return drop(list, scope);
    case "ALTER":
      return alter(list, scope);
    default:
      throw first !== "" && GOOGLESQL_ONLY.has(first)
        ? list.unsupported(0, `${first} statements`)
        : list.unexpected(0);
  }
}

/** Statements that BigQuery has and the sandbox has not; all other beginnings are syntax errors in BigQuery, too. */
const GOOGLESQL_ONLY = new Set(
  "ASSERT BEGIN BREAK CALL CASE COMMIT CONTINUE DECLARE EXECUTE EXPORT FOR GRANT IF LEAVE LOAD LOOP RAISE REPEAT RETURN REVOKE ROLLBACK SET UNDROP WHILE".split(
    " ",
  ),
);

/** BigQuery takes no UPDATE or DELETE without WHERE; DuckDB would change every row. */
function requireWhere(list: TokenList, what: string): void {
  if (list.find(1, "WHERE") === undefined)
    throw list.unsupported(0, `${what} without a WHERE clause, nor does BigQuery`);
}

/** DuckDB needs the INTO or FROM that BigQuery lets one leave out. */
function optional(list: TokenList, index: number, keyword: string): number {
  if (list.keyword(index) === keyword) return index + 1;
  list.setOut(index - 1, `${list.out(index - 1)} ${keyword}`);
  return index;
}

function named(
  list: TokenList,
  kind: StatementKind,
  index: number,
  scope: NameScope,
  existence: Partial<Pick<Target, "mustExist" | "orReplace" | "ifNotExists">> = {},
): Statement {
  const path = readPath(list, index);
  const { dataset, table } = resolveTable(list, path, scope);
  list.replace([path.from, path.to], ` ${quoteIdentifier(dataset)}.${quoteIdentifier(table)}`);
  const taken = new Set<number>();
  for (let each = path.from; each <= path.to; each++) taken.add(each);
  return {
    kind,
    target: { dataset, table, mustExist: true, orReplace: false, ifNotExists: false, ...existence },
    sourcesFrom: path.to + 1,
    taken,
    definition: undefined,
  };
}

function onlyName(statement: Statement, list: TokenList): Statement {
  if (statement.sourcesFrom < list.length) throw list.unexpected(statement.sourcesFrom);
  return statement;
}

function schema(
  list: TokenList,
  kind: StatementKind,
  index: number,
  scope: NameScope,
  flags: Partial<Target>,
): Statement {
  const path = readPath(list, index);
  const parts = path.parts[0] === scope.project ? path.parts.slice(1) : path.parts;
  const [dataset, ...rest] = parts;
  if (dataset === undefined || rest.length > 0) throw list.unexpected(index);
  list.replace([path.from, path.to], ` ${quoteIdentifier(dataset)}`);
  return {
    kind,
    target: { dataset, table: undefined, mustExist: false, orReplace: false, ifNotExists: false, ...flags },
    sourcesFrom: path.to + 1,
    taken: new Set(),
    definition: undefined,
  };
}

function create(list: TokenList, scope: NameScope): Statement {
  const orReplace = list.keywords(1, "OR", "REPLACE");
  const what = orReplace ? 3 : 1;
  const ifNotExists = list.keywords(what + 1, "IF", "NOT", "EXISTS");
  const name = what + (ifNotExists ? 4 : 1);
  const existence = { mustExist: false, orReplace, ifNotExists };
  switch (list.keyword(what)) {
    case "SCHEMA": {
      const statement = schema(list, "CREATE_SCHEMA", name, scope, existence);
      if (orReplace) throw list.unexpected(1);
      if (statement.sourcesFrom < list.length)
        throw list.unsupported(statement.sourcesFrom, "this clause of CREATE SCHEMA");
      return statement;
    }
    case "VIEW": {
      const statement = named(list, "CREATE_VIEW", name, scope, existence);
      if (list.keyword(statement.sourcesFrom) !== "AS") {
        throw list.unsupported(statement.sourcesFrom, "anything but AS after the name of a view");
      }
      requireQuery(list, statement.sourcesFrom + 1);
      return { ...statement, definition: list.source(statement.sourcesFrom + 1) };
    }
    case "TABLE": {
      const statement = named(list, "CREATE_TABLE", name, scope, existence);
      let end = statement.sourcesFrom;
      if (list.isSymbol(end, "(")) {
        columns(list, end, statement.taken);
        end = list.partner(end) + 1;
      }
      if (end === list.length) return { ...statement, sourcesFrom: end };
      if (list.keyword(end) !== "AS") throw list.unsupported(end, "this clause of CREATE TABLE");
      requireQuery(list, end + 1);
      return {
        ...statement,
        kind: "CREATE_TABLE_AS_SELECT",
        sourcesFrom: end,
        definition: list.source(end + 1),
      };
    }
    default:
      throw list.unsupported(what, `CREATE ${list.keyword(what) || "of this"}`);
  }
}

function requireQuery(list: TokenList, index: number): void {
  if (!list.isSymbol(index, "(") && !["SELECT", "WITH"].includes(list.keyword(index)))
    throw list.unexpected(index);
}

/** The columns of CREATE TABLE. Commas may stand inside of a type, so a type is read before the comma is looked for. */
function columns(list: TokenList, open: number, taken: Set<number>): void {
  const close = list.partner(open);
  for (let at = open + 1; at < close; at++) at = column(list, at, close, taken);
}

/** `name TYPE [NOT NULL] [DEFAULT …]`, and where it ends: at a comma or at `end`. */
function column(list: TokenList, from: number, end: number, taken: Set<number>): number {
  if (!list.isName(from)) throw list.unexpected(from);
  const { type, to } = parseType(list, from + 1);
  list.replace([from + 1, to], ` ${toDuckDBSql(type)}`);
  for (let index = from; index <= to; index++) taken.add(index);
  let next = to + 1;
  if (list.keywords(next, "NOT", "NULL")) next += 2;
  if (next < end && !list.isSymbol(next, ",") && list.keyword(next) !== "DEFAULT") {
    throw list.unsupported(next, "this part of a column's definition");
  }
  for (; next < end && !list.isSymbol(next, ","); next++) {
    if (list.isSymbol(next, "(") || list.isSymbol(next, "[")) next = list.partner(next);
  }
  return next;
}

function drop(list: TokenList, scope: NameScope): Statement {
  const ifExists = list.keywords(2, "IF", "EXISTS");
  const name = ifExists ? 4 : 2;
  const existence = { mustExist: !ifExists };
  switch (list.keyword(1)) {
    case "TABLE":
      return onlyName(named(list, "DROP_TABLE", name, scope, existence), list);
    case "VIEW":
      return onlyName(named(list, "DROP_VIEW", name, scope, existence), list);
    case "SCHEMA":
      return schema(list, "DROP_SCHEMA", name, scope, existence);
    default:
      throw list.unsupported(1, `DROP ${list.keyword(1)}`);
  }
}

function alter(list: TokenList, scope: NameScope): Statement {
  if (list.keyword(1) !== "TABLE") throw list.unsupported(1, `ALTER ${list.keyword(1)}`);
  const ifExists = list.keywords(2, "IF", "EXISTS");
  const statement = named(list, "ALTER_TABLE", ifExists ? 4 : 2, scope, { mustExist: !ifExists });
  const action = statement.sourcesFrom;
  const [verb, object] = [list.keyword(action), list.keyword(action + 1)];
  if (verb === "ADD" && object === "COLUMN") {
    const name = action + (list.keywords(action + 2, "IF", "NOT", "EXISTS") ? 5 : 2);
    if (column(list, name, list.length, statement.taken) < list.length) {
      throw list.unsupported(action, "more than one action in ALTER TABLE");
    }
  } else if (
    !(object === "COLUMN" && (verb === "DROP" || verb === "RENAME")) &&
    !(verb === "RENAME" && object === "TO")
  ) {
    throw list.unsupported(action, "this ALTER TABLE");
  }
  return statement;
}
