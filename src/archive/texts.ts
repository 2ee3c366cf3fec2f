import { hash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

/**
 * Texts whose ids are remembered, twice as many at most: agents ask the same again and again. No index of the file finds a text: its
 * entries would lie anywhere, so that each text rewrote a page, and with others of that kind it was most of what was written.
 */
const MAX_KNOWN = 4_096;
/** Characters from which on a text is remembered by its digest. */
const LONG = 512;

/** Long texts (SQL, column names, errors), kept and indexed once for all exchanges that have them while it is not long since the last. */
export class Texts {
  readonly #latest;
  readonly #add;
  readonly #index;
  readonly #used;
  readonly #text;
  readonly #unindex;
  readonly #remove;
  /** Ids by text. What is asked for moves to the younger ones, and the older ones are dropped when those are full. */
  #young = new Map<string, number>();
  #old: ReadonlyMap<string, number> | undefined;

  constructor(database: DatabaseSync) {
    this.#latest = database.prepare("SELECT id, text FROM texts ORDER BY id DESC LIMIT ?");
    this.#add = database.prepare("INSERT INTO texts (text) VALUES (?)");
    this.#index = database.prepare("INSERT INTO texts_index (rowid, text) VALUES (?, ?)");
    this.#used = database.prepare(
      `SELECT EXISTS (SELECT 1 FROM exchanges WHERE sql_text = ?1)
         OR EXISTS (SELECT 1 FROM exchanges WHERE answer_text = ?1)
         OR EXISTS (SELECT 1 FROM exchanges WHERE columns_text = ?1) AS used`,
    );
    this.#text = database.prepare("SELECT text FROM texts WHERE id = ?");
    // The index keeps no text: it has to be told which words go (SQLite, FTS5, "The 'delete' command").
    this.#unindex = database.prepare(
      "INSERT INTO texts_index (texts_index, rowid, text) VALUES ('delete', ?, ?)",
    );
    this.#remove = database.prepare("DELETE FROM texts WHERE id = ?");
  }

  /** A text's id. Only within a transaction. */
  idOf(text: string | undefined): number | undefined {
    if (text === undefined || text === "") return undefined;
    this.#old ??= this.#recalled();
    const key = keyOf(text);
    const known = this.#young.get(key);
    if (known !== undefined) return known;
    const id = this.#old.get(key) ?? this.#keep(text);
    this.#young.set(key, id);
    if (this.#young.size >= MAX_KNOWN) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return id;
  }

  /** Removes a text that no exchange has any more. Only within a transaction. */
  removeIfUnused(id: number): void {
    if (this.#used.get(id)?.used !== 0) return;
    const text = this.#text.get(id)?.text;
    if (typeof text !== "string") return;
    this.#unindex.run(id, text);
    this.#remove.run(id);
  }

  /** Forgets ids: of a transaction that was rolled back they are not in the archive; another process may have removed others. */
  discard(): void {
    this.#young = new Map();
    this.#old = undefined;
  }

  /** What the file has, as far as it is remembered: oldest last, so that of two alike the first one is found again. */
  #recalled(): ReadonlyMap<string, number> {
    const recalled = new Map<string, number>();
    for (const { id, text } of this.#latest.iterate(MAX_KNOWN)) recalled.set(keyOf(String(text)), Number(id));
    return recalled;
  }

  #keep(text: string): number {
    const id = Number(this.#add.run(text).lastInsertRowid);
    this.#index.run(id, text);
    return id;
  }
}

/** Of a long text, a longer one than any short text is: an agent may send the digest of another's statement for its own. */
function keyOf(text: string): string {
  return text.length < LONG ? text : `${hash("sha256", text, "base64")} ${text.slice(0, LONG)}`;
}
