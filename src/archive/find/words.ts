import type { DatabaseSync } from "node:sqlite";

/** Which texts match: their ids as a JSON list, or, when they are many, what {@link HAS_WORDS} asks of each. */
export type TextMatch =
  | { readonly kind: "ids"; readonly ids: string }
  | {
      readonly kind: "words";
      readonly words: string;
      readonly partial: 0 | 1;
      /** What FTS5 is asked for all of them. */
      readonly query: string;
    };

/** The SQL function that {@link defineHasWords} defines: of a text, the words, and whether the last may be part of one. */
export const HAS_WORDS = "bqtape_has_words";

/**
 * Texts that have these words, next to each other, whatever stands between them that is no letter, digit or `_`.
 *
 * @param partial whether the last word may be only the beginning of one.
 * @param few texts up to which they are listed.
 */
export function matchWords(database: DatabaseSync, words: string, partial: boolean, few: number): TextMatch {
  const query = `"${words.replaceAll('"', '""')}"${partial ? "*" : ""}`;
  const found = database
    .prepare(
      `SELECT count(*) AS count, json_group_array(id) AS ids FROM (
         SELECT rowid AS id FROM texts_index WHERE texts_index MATCH ? LIMIT ${few + 1}
       )`,
    )
    .get(query);
  if (Number(found?.count) <= few) return { kind: "ids", ids: String(found?.ids) };
  return { kind: "words", words: plain(words), partial: partial ? 1 : 0, query };
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
