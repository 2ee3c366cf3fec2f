import { type SqlToken, sqlTokens } from "./sql-tokens.ts";

/** Clauses that begin a line of their own. */
const CLAUSES = new Set(
  `SELECT FROM WHERE GROUP HAVING QUALIFY WINDOW ORDER LIMIT UNION INTERSECT JOIN INNER LEFT RIGHT FULL CROSS SET VALUES
   WHEN USING`.split(/\s+/),
);
/** These words, in front of a clause's, make it part of something else. */
const CONTINUES: Readonly<Record<string, readonly string[]>> = {
  FROM: ["DELETE", "DISTINCT"],
  JOIN: ["INNER", "LEFT", "RIGHT", "FULL", "CROSS", "OUTER"],
  SELECT: ["ALL", "DISTINCT"],
  GROUP: ["WITHIN"],
};
/** Only MERGE has these as clauses; elsewhere they belong to CASE and JOIN. */
const ONLY_IN_MERGE = new Set(["WHEN", "USING"]);

/** A line longer than this is broken behind a comma, or in front of AND and OR. */
const LONG = 88;
const INDENT = "  ";

/**
 * Lays a statement out with its clauses on lines of their own. Only the space between its words changes: never what is in
 * literals, quoted names and comments, and never to or from no space. A statement that already has lines keeps them.
 */
export function prettySql(sql: string): string {
  const tokens = sqlTokens(sql.trim());
  const hasLines = tokens.some(({ kind, text }) => kind === "space" && text.includes("\n"));
  if (hasLines) return tokens.map(({ text }) => text).join("");
  return new Layout(tokens).lines();
}

interface Paren {
  /** Whether a query is in it: only those are laid out. */
  readonly query: boolean;
}

class Layout {
  readonly #tokens: readonly SqlToken[];
  readonly #merge: boolean;
  readonly #parens: Paren[] = [];
  #done = "";
  #line = "";
  #lastWord = "";

  constructor(tokens: readonly SqlToken[]) {
    this.#tokens = tokens;
    this.#merge = tokens.find(({ kind }) => kind === "word")?.text.toUpperCase() === "MERGE";
  }

  lines(): string {
    for (const [index, token] of this.#tokens.entries()) {
      if (token.kind === "space") this.#space(token, this.#tokens[index + 1]);
      else this.#piece(token, this.#tokens[index + 1], this.#tokens[index + 2]);
    }
    return this.#done + this.#line;
  }

  #space(token: SqlToken, next: SqlToken | undefined): void {
    if (next === undefined) return;
    if (this.#laidOut() && this.#beginsLine(next)) this.#break();
    else this.#line += token.text.length > 0 ? " " : "";
  }

  #piece(token: SqlToken, next: SqlToken | undefined, afterNext: SqlToken | undefined): void {
    if (token.text === "(") {
      const first = next?.kind === "space" ? afterNext : next;
      this.#line += "(";
      const query = first?.kind === "word" && /^(?:select|with)$/i.test(first.text);
      this.#parens.push({ query });
      if (query && next?.kind === "space") this.#lastWord = "(";
      return;
    }
    if (token.text === ")") this.#parens.pop();
    if (token.kind === "word") this.#lastWord = token.text.toUpperCase();
    else this.#lastWord = token.kind === "symbol" ? token.text : "";
    this.#line += token.text;
  }

  #laidOut(): boolean {
    return this.#parens.every(({ query }) => query);
  }

  #beginsLine({ kind, text }: SqlToken): boolean {
    if (this.#line.trim() === "" || this.#lastWord === "(") return false;
    if (text === "|>") return true;
    const word = text.toUpperCase();
    const long = this.#line.length + text.length > LONG;
    if (this.#lastWord === "," && long) return true;
    if (kind !== "word") return false;
    if ((word === "AND" || word === "OR") && long) return true;
    if (!CLAUSES.has(word) || CONTINUES[word]?.includes(this.#lastWord) === true) return false;
    return this.#merge || !ONLY_IN_MERGE.has(word);
  }

  #break(): void {
    const clause = this.#parens.length;
    this.#done += `${this.#line.trimEnd()}\n`;
    this.#line = INDENT.repeat(clause + (this.#lastWord === "," ? 1 : 0));
  }
}
