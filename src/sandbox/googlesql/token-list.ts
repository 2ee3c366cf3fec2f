import { type ApiError, invalidQuery } from "../errors.ts";
import { place, type Token, tokenize } from "./tokens.ts";

const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "[": "]" };

/** A run of tokens, both ends included. */
export type Range = readonly [from: number, to: number];

/** The tokens of one statement, with the questions that rewriting asks of them. */
export class TokenList {
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly #partner = new Map<number, number>();

  /** @throws {ApiError} 400 `invalidQuery`, when brackets do not pair. */
  constructor(text: string, tokens: readonly Token[]) {
    this.text = text;
    this.tokens = tokens;
    const open: number[] = [];
    for (const [index, token] of tokens.entries()) {
      if (token.kind !== "symbol") continue;
      if (token.value in CLOSERS) open.push(index);
      if (token.value !== ")" && token.value !== "]") continue;
      const partner = open.pop();
      const opener = partner === undefined ? undefined : tokens[partner];
      if (partner === undefined || opener === undefined || CLOSERS[opener.value] !== token.value)
        throw this.unexpected(index);
      this.#partner.set(partner, index);
      this.#partner.set(index, partner);
    }
    const [unclosed] = open;
    if (unclosed !== undefined) throw this.unexpected(tokens.length);
  }

  get length(): number {
    return this.tokens.length;
  }

  keyword(index: number): string {
    return this.tokens[index]?.keyword ?? "";
  }

  /** Whether these keywords stand here, one after the other. */
  keywords(index: number, ...keywords: readonly string[]): boolean {
    return keywords.every((keyword, offset) => this.keyword(index + offset) === keyword);
  }

  isSymbol(index: number, symbol: string): boolean {
    const token = this.tokens[index];
    return token?.kind === "symbol" && token.value === symbol;
  }

  isName(index: number): boolean {
    const kind = this.tokens[index]?.kind;
    return kind === "word" || kind === "quoted";
  }

  /** The other bracket of a pair. */
  partner(index: number): number {
    return this.#partner.get(index) ?? this.length;
  }

  /** What stands between the commas of a bracketed list. */
  arguments(open: number): Range[] {
    const close = this.partner(open);
    if (close === open + 1) return [];
    const ranges: Range[] = [];
    let from = open + 1;
    for (let index = from; index < close; index++) {
      if (this.isSymbol(index, "(") || this.isSymbol(index, "[")) index = this.partner(index);
      else if (this.isSymbol(index, ",")) {
        ranges.push([from, index - 1]);
        from = index + 1;
      }
    }
    // A comma may stand at the end of a select list, never of an argument list; DuckDB refuses what is wrong here.
    if (from < close) ranges.push([from, close - 1]);
    return ranges;
  }

  /** The first of the keywords outside brackets, from here on. */
  find(from: number, ...keywords: readonly string[]): number | undefined {
    for (let index = from; index < this.length; index++) {
      if (this.isSymbol(index, "(") || this.isSymbol(index, "[")) index = this.partner(index);
      else if (keywords.includes(this.keyword(index))) return index;
    }
    return undefined;
  }

  /** Gives DuckDB `out` in place of all these tokens. */
  replace([from, to]: Range, out: string): void {
    for (let index = from; index <= to; index++) this.setOut(index, index === from ? out : "");
  }

  out(index: number): string {
    return this.tokens[index]?.out ?? "";
  }

  setOut(index: number, out: string): void {
    const token = this.tokens[index];
    if (token !== undefined) token.out = out;
  }

  /** The source of these tokens, comments and all. */
  source(from: number, to = this.length - 1): string {
    const start = this.tokens[from]?.start ?? 0;
    const next = this.tokens[to + 1]?.start ?? this.text.length;
    return this.text.slice(start, next).replace(/[\s;]+$/, "");
  }

  place(index: number): string {
    return place(this.text, this.tokens[index]?.start ?? this.text.length);
  }

  unexpected(index: number): ApiError {
    const token = this.tokens[index];
    if (token === undefined)
      return invalidQuery(`Syntax error: Unexpected end of script at ${this.place(index)}`);
    const kind = token.kind === "word" ? "keyword or identifier " : "";
    return invalidQuery(`Syntax error: Unexpected ${kind}"${token.value}" at ${this.place(index)}`);
  }

  unsupported(index: number, what: string): ApiError {
    return invalidQuery(`The bqtape sandbox does not take ${what}, at ${this.place(index)}`);
  }
}

/** The statements of a query text, which semicolons part. */
export function splitStatements(text: string): TokenList[] {
  const statements: Token[][] = [[]];
  for (const token of tokenize(text)) {
    if (token.kind === "symbol" && token.value === ";") statements.push([]);
    else statements.at(-1)?.push(token);
  }
  return statements.filter((tokens) => tokens.length > 0).map((tokens) => new TokenList(text, tokens));
}
