import {
  parameterizedNumeric,
  type SqlType,
  type StructField,
  scalarType,
  toDuckDBSql,
} from "../sql-types.ts";
import type { TokenList } from "./token-list.ts";

/** Reads a type such as `ARRAY<STRUCT<a INT64, b STRING>>`, as it stands in CAST and in a table's definition. */
export function parseType(list: TokenList, from: number): { type: SqlType; to: number } {
  let at = from;

  const expect = (symbol: string): void => {
    if (!list.isSymbol(at, symbol)) throw list.unexpected(at);
    at++;
  };

  const parse = (): SqlType => {
    const keyword = list.keyword(at);
    if (keyword === "ARRAY") {
      at++;
      expect("<");
      const element = parse();
      expect(">");
      return { kind: "ARRAY", element };
    }
    if (keyword === "STRUCT") {
      at++;
      return struct();
    }
    const type = scalarType(keyword);
    if (type === undefined) {
      if (keyword === "") throw list.unexpected(at);
      throw list.unsupported(at, `the type ${keyword}`);
    }
    at++;
    return list.isSymbol(at, "(") ? parameters(type) : type;
  };

  const struct = (): SqlType => {
    expect("<");
    const fields: StructField[] = [];
    for (;;) {
      const name = list.tokens[at]?.value;
      // `STRUCT<INT64>` has fields without names, which DuckDB could not tell apart.
      if (name === undefined || !list.isName(at + 1))
        throw list.unsupported(at, "a STRUCT field without a name");
      at++;
      fields.push({ name, type: parse() });
      if (!list.isSymbol(at, ",")) break;
      at++;
    }
    expect(">");
    return { kind: "STRUCT", fields };
  };

  const parameters = (type: SqlType): SqlType => {
    const close = list.partner(at);
    const [first, second] = list.arguments(at).map(([index]) => Number(list.tokens[index]?.value));
    if (type.kind !== "NUMERIC") throw list.unsupported(at, `a length of ${type.kind}`);
    at = close + 1;
    return parameterizedNumeric(first ?? Number.NaN, second ?? 0);
  };

  const type = parse();
  return { type, to: at - 1 };
}

/**
 * Puts DuckDB's types in `CAST(x AS T)`, in literals such as `DATE '2024-01-02'` and in `ARRAY<T>[…]`.
 *
 * @param taken Tokens that are done already, to which those of types are added.
 */
export function rewriteTypes(list: TokenList, taken: Set<number>): void {
  const take = (from: number, to: number): void => {
    for (let index = from; index <= to; index++) taken.add(index);
  };
  for (let index = 0; index < list.length; index++) {
    if (taken.has(index)) continue;
    const keyword = list.keyword(index);
    if ((keyword === "CAST" || keyword === "SAFE_CAST") && list.isSymbol(index + 1, "(")) {
      if (keyword === "SAFE_CAST") list.setOut(index, "TRY_CAST");
      const close = list.partner(index + 1);
      const as = list.find(index + 2, "AS");
      if (as === undefined || as > close) throw list.unexpected(close);
      const { type, to } = parseType(list, as + 1);
      if (to + 1 !== close) throw list.unsupported(to + 1, "FORMAT in CAST");
      list.replace([as + 1, to], toDuckDBSql(type));
      take(as + 1, to);
    } else if (keyword === "ARRAY" && list.isSymbol(index + 1, "<")) {
      const { type, to } = parseType(list, index);
      if (!list.isSymbol(to + 1, "[")) throw list.unexpected(to + 1);
      list.replace([index, to], "");
      list.setOut(to + 1, " CAST([");
      list.setOut(list.partner(to + 1), `] AS ${toDuckDBSql(type)})`);
      take(index, to);
    } else if (list.tokens[index + 1]?.kind === "string") {
      const type = scalarType(keyword);
      if (type !== undefined && type.kind !== "INTERVAL" && type.kind !== "STRING") {
        list.replace([index, index + 1], ` CAST(${list.out(index + 1)} AS ${toDuckDBSql(type)})`);
      }
    }
  }
}
