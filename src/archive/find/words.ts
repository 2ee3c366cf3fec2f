import type { DatabaseSync } from "node:sqlite";

/** Texts of a match up to which their ids are gathered. */
const MAX_IDS = 20_000;

/** Which texts match: their ids as a JSON list, or the match itself when they are too many. */
export type TextMatch =
  | { readonly kind: "ids"; readonly ids: string }
  | { readonly kind: "match"; readonly query: string };

/**
 * Texts that have these words, next to each other, whatever stands between them that is no letter, digit or `_`.
 *
 * @param partial whether the last word may be only the beginning of one.
 */
export function matchWords(database: DatabaseSync, words: string, partial: boolean): TextMatch {
  const query = `"${words.replaceAll('"', '""')}"${partial ? "*" : ""}`;
  const rows = database
    .prepare(`SELECT rowid AS id FROM texts_index WHERE texts_index MATCH ? LIMIT ${MAX_IDS + 1}`)
    .all(query);
  if (rows.length > MAX_IDS) return { kind: "match", query };
  return { kind: "ids", ids: JSON.stringify(rows.map(({ id }) => Number(id))) };
}

/** Whether there is anything in it that can be searched for. */
export function hasWords(text: string): boolean {
  return /[\p{L}\p{N}_]/u.test(text);
}
