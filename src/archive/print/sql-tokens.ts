/** A piece of GoogleSQL. All pieces of a statement, joined, are the statement. */
export interface SqlToken {
  readonly kind: "space" | "comment" | "literal" | "word" | "symbol";
  readonly text: string;
}

const SPACE = /\s+/y;
const LINE_COMMENT = /(?:--|#)[^\n\r]*/y;
/** Literals may be prefixed: raw, bytes, or both. */
const QUOTE = /(?:rb|br|r|b)?("""|'''|"|'|`)/iy;
const WORD = /[@\p{L}\p{N}_$][\p{L}\p{N}_$]*/uy;

/**
 * Splits a statement without changing anything of it. Follows GoogleSQL's lexical structure; a literal or comment that
 * does not end takes the rest.
 */
export function sqlTokens(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  for (let at = 0; at < sql.length; ) {
    const { kind, end } = tokenAt(sql, at);
    tokens.push({ kind, text: sql.slice(at, end) });
    at = end;
  }
  return tokens;
}

function tokenAt(sql: string, at: number): { kind: SqlToken["kind"]; end: number } {
  const space = matchAt(SPACE, sql, at);
  if (space !== null) return { kind: "space", end: at + space[0].length };
  const comment = matchAt(LINE_COMMENT, sql, at);
  if (comment !== null) return { kind: "comment", end: at + comment[0].length };
  if (sql.startsWith("/*", at)) {
    const close = sql.indexOf("*/", at + 2);
    return { kind: "comment", end: close < 0 ? sql.length : close + 2 };
  }
  const quote = matchAt(QUOTE, sql, at);
  if (quote !== null)
    return { kind: "literal", end: endOfLiteral(sql, at + quote[0].length, quote[1] ?? "") };
  const word = matchAt(WORD, sql, at);
  if (word !== null) return { kind: "word", end: at + word[0].length };
  return { kind: "symbol", end: at + (sql.startsWith("|>", at) ? 2 : 1) };
}

/** A backslash keeps the next character from ending a literal, in raw ones too. */
function endOfLiteral(sql: string, from: number, quote: string): number {
  for (let at = from; at < sql.length; at++) {
    if (sql[at] === "\\") at += 1;
    else if (sql.startsWith(quote, at)) return at + quote.length;
  }
  return sql.length;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
