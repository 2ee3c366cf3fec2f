import type { DatabaseSync } from "node:sqlite";

/** What asks for the texts that have some words. */
export interface TextMatch {
  /** FTS5's query, which finds all of them. */
  readonly query: string;
  /** What {@link HAS_WORDS} is asked of one. */
  readonly words: string;
  readonly partial: 0 | 1;
  /** Whether more have them than were counted. */
  readonly many: boolean;
}

/** The SQL function that {@link defineHasWords} defines: of a text, the words, and whether the last may be part of one. */
export const HAS_WORDS = "bqtape_has_words";

/**
 * Texts that have these words, next to each other, whatever stands between them that is no letter, digit or `_`.
 *
 * @param partial whether the last word may be only the beginning of one.
 * @param few texts up to which they are counted.
 */
export function matchWords(database: DatabaseSync, words: string, partial: boolean, few: number): TextMatch {
  const query = `"${words.replaceAll('"', '""')}"${partial ? "*" : ""}`;
  const found = database
    .prepare(
      `SELECT count(*) AS count FROM (SELECT 1 FROM texts_index WHERE texts_index MATCH ? LIMIT ${few + 1})`,
    )
    .get(query);
  return { query, words: plain(words), partial: partial ? 1 : 0, many: Number(found?.count) > few };
}

/** Whether there is anything in it that can be searched for. */
export function hasWords(text: string): boolean {
  return plain(text) !== " ";
}

/** Defines the function that {@link HAS_WORDS} names: what the index would answer, of one text. */
export function defineHasWords(database: DatabaseSync): void {
  const options = { deterministic: true, directOnly: true };
  database.function(HAS_WORDS, options, (text, words, partial) => {
    if (typeof text !== "string" || typeof words !== "string") return 0;
    return Number(plain(text).includes(partial === 1 ? words.trimEnd() : words));
  });
}

/** Words as the index has them (SQLite, FTS5, "unicode61"), each between spaces: without case and accents. */
function plain(text: string): string {
  const folded = text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
  return ` ${folded.replaceAll(/[^\p{L}\p{N}\p{Co}_]+/gu, " ").trim()} `.replace(/^ +$/, " ");
}
