import { invalidQuery } from "../errors.ts";

export type TokenKind = "word" | "quoted" | "string" | "bytes" | "number" | "parameter" | "symbol";

/** A piece of GoogleSQL that is neither white space nor comment ("Lexical structure and syntax"). */
export interface Token {
  readonly kind: TokenKind;
  /** What the piece means: escapes resolved, quotes and the `@` gone; otherwise as written. */
  readonly value: string;
  /** `value` in capitals when it is a word, for keywords; else empty. */
  readonly keyword: string;
  /** Offset in the query text, in UTF-16 units. */
  readonly start: number;
  /** Whether white space or a comment comes before it. */
  readonly spaced: boolean;
  /** What DuckDB is given for it. */
  out: string;
}

const SPACE = /(?:\s+|--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const STRING_START = /([rR][bB]?|[bB][rR]?)?("""|'''|"|')/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
/** A project id with dashes may stand without backticks before a dataset ("Path expressions"). */
const DASHED_WORD = /[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)+(?=\.)/y;
const NUMBER = /0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const PARAMETER = /@[A-Za-z_][A-Za-z0-9_]*|\?/y;
const SYMBOLS = "()[]<>=!,.;+-*/|&^~@";

/** After these a path follows, so dashes belong to it. */
const BEFORE_PATH = new Set([
  "FROM",
  "JOIN",
  "INTO",
  "UPDATE",
  "TABLE",
  "VIEW",
  "SCHEMA",
  "EXISTS",
  "USING",
  "MERGE",
]);

/**
 * Cuts a query text into tokens.
 *
 * @throws {ApiError} 400 `invalidQuery`, for text that GoogleSQL has no token for.
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let spaced = false;

  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const push = (kind: TokenKind, length: number, value: string, out: string): void => {
    const keyword = kind === "word" ? value.toUpperCase() : "";
    tokens.push({ kind, value, keyword, start: at, spaced, out });
    at += length;
    spaced = false;
  };

  while (at < text.length) {
    const space = match(SPACE);
    if (space !== null) {
      at += space[0].length;
      spaced = true;
      continue;
    }
    const string = match(STRING_START);
    if (string !== null) {
      readString(string);
      continue;
    }
    const character = text.charAt(at);
    if (character === "`") {
      const { value, length } = readQuoted(text, at, at + 1, "`", false);
      push("quoted", length, value, quoteIdentifier(value));
      continue;
    }
    const word = (BEFORE_PATH.has(tokens.at(-1)?.keyword ?? "") ? match(DASHED_WORD) : null) ?? match(WORD);
    if (word !== null) {
      const [name] = word;
      push("word", name.length, name, name);
      continue;
    }
    const number = match(NUMBER);
    if (number !== null) {
      const [digits] = number;
      // A fraction is FLOAT64 in GoogleSQL; DuckDB would make it a DECIMAL unless it carries an exponent.
      push("number", digits.length, digits, /^[\d.]*\.[\d.]*$/.test(digits) ? `${digits}e0` : digits);
      continue;
    }
    const parameter = match(PARAMETER);
    if (parameter !== null) {
      const [name] = parameter;
      push("parameter", name.length, name === "?" ? "?" : name.slice(1), name);
      continue;
    }
    if (!SYMBOLS.includes(character)) {
      throw invalidQuery(
        `Syntax error: Illegal input character ${JSON.stringify(character)} at ${place(text, at)}`,
      );
    }
    push("symbol", 1, character, character);
  }
  return tokens;

  function readString(opening: RegExpExecArray): void {
    const prefix = (opening[1] ?? "").toLowerCase();
    const quote = opening[2] ?? "'";
    const raw = prefix.includes("r");
    const from = at + prefix.length + quote.length;
    const { value, length } = readQuoted(text, at, from, quote, raw);
    if (prefix.includes("b")) {
      // BigQuery would encode it as UTF-8; an escape and a letter of the same code could not be told apart here.
      if (/[^\s!-~]/.test(text.slice(from, at + length))) {
        throw invalidQuery(`The bqtape sandbox takes only ASCII in a bytes literal, at ${place(text, at)}`);
      }
      const hex = Array.from(
        Buffer.from(value, "latin1"),
        (byte) => `\\x${byte.toString(16).padStart(2, "0")}`,
      );
      push("bytes", length, value, `('${hex.join("")}'::BLOB)`);
    } else {
      push("string", length, value, quoteString(value));
    }
  }
}

function readQuoted(
  text: string,
  start: number,
  from: number,
  quote: string,
  raw: boolean,
): { value: string; length: number } {
  let value = "";
  let at = from;
  while (at < text.length) {
    if (text.startsWith(quote, at)) return { value, length: at + quote.length - start };
    const character = text.charAt(at);
    if (character === "\n" && quote.length === 1) break;
    if (character !== "\\") {
      value += character;
      at++;
    } else if (raw) {
      value += text.slice(at, at + 2);
      at += 2;
    } else {
      const [decoded, length] = readEscape(text, at);
      value += decoded;
      at += length;
    }
  }
  const what = quote === "`" ? "identifier" : "string literal";
  throw invalidQuery(`Syntax error: Unclosed ${what} at ${place(text, start)}`);
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "?": "?",
  '"': '"',
  "'": "'",
  "`": "`",
};

function readEscape(text: string, at: number): [decoded: string, length: number] {
  const simple = SIMPLE_ESCAPES[text.charAt(at + 1)];
  if (simple !== undefined) return [simple, 2];
  const coded = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;
  coded.lastIndex = at;
  const found = coded.exec(text);
  const code =
    found?.[4] === undefined
      ? Number.parseInt(found?.[1] ?? found?.[2] ?? found?.[3] ?? "", 16)
      : Number.parseInt(found[4], 8);
  if (found === null || Number.isNaN(code) || code > 0x10ffff) {
    throw invalidQuery(
      `Syntax error: Illegal escape sequence: ${text.slice(at, at + 2)} at ${place(text, at)}`,
    );
  }
  return [String.fromCodePoint(code), found[0].length];
}

/** `[line:column]`, both from 1, as BigQuery ends its messages. */
export function place(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return `[${line}:${offset - before.lastIndexOf("\n")}]`;
}

/** A DuckDB identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A DuckDB string literal; DuckDB knows no escapes in it but the doubled quote. */
export function quoteString(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
