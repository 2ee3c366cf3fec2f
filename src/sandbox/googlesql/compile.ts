import { invalid, invalidQuery } from "../errors.ts";
import {
  Bindings,
  type ParameterType,
  type ParameterValue,
  parameterJson,
  parameterSqlType,
  ValueError,
  valueSql,
} from "../inputs.ts";
import { rewriteFunctions } from "./functions.ts";
import { classify, type StatementKind, type Target } from "./statement-kind.ts";
import { type NameScope, rewriteSources, type TableName } from "./tables.ts";
import { splitStatements, type TokenList } from "./token-list.ts";
import { place, quoteIdentifier } from "./tokens.ts";
import { rewriteTypes } from "./types.ts";

/** QueryParameter of BigQuery's REST reference. */
export interface QueryParameter {
  name?: string | undefined;
  parameterType: ParameterType;
  parameterValue?: ParameterValue | undefined;
}

export interface CompileOptions extends NameScope {
  parameters: readonly QueryParameter[];
}

/** A GoogleSQL statement made ready for DuckDB. */
export interface Compiled {
  kind: StatementKind;
  sql: string;
  /** Text to bind to the statement's parameters. */
  bindings: Record<string, string>;
  /** What the statement writes, creates, changes or drops. */
  target: Target | undefined;
  /** The tables it reads, each once. */
  tables: TableName[];
  /** Every name in the statement, in small letters: no column outside of it can be read by name. */
  names: ReadonlySet<string>;
  /** Whether it has `*` or `x.*`, which reads every column. */
  star: boolean;
  /** The text of the query that a view or a table is defined by. */
  definition: string | undefined;
  /** `[line:column]` in the source of a byte offset in `sql`. */
  place(byteOffset: number): string;
}

/**
 * Turns a query text into DuckDB's SQL, statement by statement. It knows words, brackets and where table names stand, and
 * leaves grammar to DuckDB; what it does not know, it refuses.
 *
 * @throws {ApiError} 400
 */
export function compile(text: string, options: CompileOptions): Compiled[] {
  const statements = splitStatements(text);
  if (statements.length === 0) throw invalidQuery("Syntax error: Unexpected end of statement at [1:1]");
  let position = 0;
  return statements.map((list) => {
    const bindings = new Bindings();
    position = rewriteParameters(list, options.parameters, bindings, position);
    return compileStatement(list, options, bindings);
  });
}

function compileStatement(list: TokenList, scope: NameScope, bindings: Bindings): Compiled {
  const names = new Set(
    list.tokens.filter((_, index) => list.isName(index)).map((token) => token.value.toLowerCase()),
  );
  const star = list.tokens.some((_, index) => isSelectStar(list, index));
  const statement = classify(list, scope);
  const taken = statement.taken;
  rewriteTypes(list, taken);
  rewriteIntervals(list);
  rewriteSubscripts(list);
  rewriteStructs(list, taken);
  rewriteStarExcept(list);
  const sources = rewriteSources(list, statement.sourcesFrom, scope, statement.kind === "MERGE");
  rewriteFunctions(list, new Set([...taken, ...sources.taken]));
  const { sql, place } = emit(list);
  return {
    kind: statement.kind,
    sql,
    bindings: bindings.values,
    target: statement.target,
    tables: distinct(sources.tables),
    names,
    star,
    definition: statement.definition,
    place,
  };
}

function rewriteParameters(
  list: TokenList,
  parameters: readonly QueryParameter[],
  bindings: Bindings,
  firstPosition: number,
): number {
  let position = firstPosition;
  for (const [index, token] of list.tokens.entries()) {
    if (token.kind !== "parameter") {
      if (list.isSymbol(index, "@")) throw list.unsupported(index, "system variables");
      continue;
    }
    const named = token.value !== "?";
    const parameter = named
      ? parameters.find((each) => each.name?.toLowerCase() === token.value.toLowerCase())
      : parameters[position++];
    if (parameter === undefined) {
      throw invalidQuery(
        named
          ? `Query parameter '${token.value}' not found at ${list.place(index)}`
          : `Query parameter number ${position} is not defined at ${list.place(index)}`,
      );
    }
    token.out = ` (${parameterSql(parameter, bindings)})`;
  }
  return position;
}

function parameterSql(parameter: QueryParameter, bindings: Bindings): string {
  const type = parameterSqlType(parameter.parameterType);
  try {
    return valueSql(parameterJson(parameter.parameterValue, type), type, bindings);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw invalid(
      `Invalid value for query parameter ${parameter.name ?? ""}: ${error.message}`,
      "queryParameters",
    );
  }
}

/** `INTERVAL <expression> DAY`: DuckDB wants brackets around all but a number or a string. */
function rewriteIntervals(list: TokenList): void {
  for (let index = 0; index < list.length; index++) {
    if (list.keyword(index) !== "INTERVAL" || list.tokens[index + 1]?.kind === "string") continue;
    const part = list.find(
      index + 1,
      "MICROSECOND",
      "MILLISECOND",
      "SECOND",
      "MINUTE",
      "HOUR",
      "DAY",
      "WEEK",
      "MONTH",
      "QUARTER",
      "YEAR",
    );
    if (part === undefined || part === index + 1) continue;
    list.setOut(index + 1, `(${list.out(index + 1)}`);
    list.setOut(part - 1, `${list.out(part - 1)})`);
  }
}

/** `a[OFFSET(n)]` counts from 0 and `a[ORDINAL(n)]` from 1, as DuckDB's `a[n]` does. */
function rewriteSubscripts(list: TokenList): void {
  for (let index = 0; index < list.length; index++) {
    const how = list.keyword(index + 1);
    if (!list.isSymbol(index, "[") || !list.isSymbol(index + 2, "(")) continue;
    if (!/^(?:SAFE_)?(?:OFFSET|ORDINAL)$/.test(how)) continue;
    list.setOut(index + 1, "");
    if (how.endsWith("OFFSET")) list.setOut(list.partner(index + 2), ") + 1");
  }
}

/** `STRUCT(x AS a, t.b)` is `struct_pack(a := x, b := t.b)`. */
function rewriteStructs(list: TokenList, taken: ReadonlySet<number>): void {
  for (let index = 0; index < list.length; index++) {
    if (list.keyword(index) !== "STRUCT" || taken.has(index)) continue;
    if (list.isSymbol(index + 1, "<")) {
      throw list.unsupported(index, "STRUCT with its type before the values");
    }
    if (!list.isSymbol(index + 1, "(")) continue;
    list.setOut(index, "struct_pack");
    for (const [from, to] of list.arguments(index + 1)) {
      const hasAlias = list.keyword(to - 1) === "AS";
      if (!hasAlias && !isColumnPath(list, from, to))
        throw list.unsupported(from, "a STRUCT field without a name");
      const name = quoteIdentifier(list.tokens[to]?.value ?? "");
      if (hasAlias) list.replace([to - 1, to], "");
      list.setOut(from, `${name} := ${list.out(from)}`);
    }
  }
}

function isColumnPath(list: TokenList, from: number, to: number): boolean {
  for (let index = from; index <= to; index++) {
    if ((index - from) % 2 === 0 ? !list.isName(index) : !list.isSymbol(index, ".")) return false;
  }
  return list.isName(to);
}

function rewriteStarExcept(list: TokenList): void {
  for (let index = 1; index < list.length; index++) {
    if (list.keyword(index) === "EXCEPT" && isSelectStar(list, index - 1)) list.setOut(index, "EXCLUDE");
  }
}

/** A star that stands for columns: not that of `COUNT(*)`, nor a multiplication. */
function isSelectStar(list: TokenList, index: number): boolean {
  if (!list.isSymbol(index, "*")) return false;
  return (
    ["SELECT", "DISTINCT", "ALL"].includes(list.keyword(index - 1)) ||
    list.isSymbol(index - 1, ",") ||
    list.isSymbol(index - 1, ".")
  );
}

function emit(list: TokenList): { sql: string; place: (byteOffset: number) => string } {
  let sql = "";
  const starts: [byte: number, source: number][] = [];
  let bytes = 0;
  for (const token of list.tokens) {
    const piece = (token.spaced ? " " : "") + token.out;
    starts.push([bytes + (token.spaced ? 1 : 0), token.start]);
    sql += piece;
    bytes += Buffer.byteLength(piece);
  }
  return {
    sql,
    place: (byteOffset) => {
      const found = starts.findLast(([byte]) => byte <= byteOffset);
      return place(list.text, byteOffset >= bytes ? list.text.length : (found?.[1] ?? 0));
    },
  };
}

function distinct(tables: readonly TableName[]): TableName[] {
  return [...new Map(tables.map((table) => [`${table.dataset}.${table.table}`, table])).values()];
}
