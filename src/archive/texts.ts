import { hash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

/** Texts whose ids are remembered, and how long they are at most: agents ask the same again and again. */
const MAX_KNOWN = 4_096;
const MAX_KNOWN_LENGTH = 4_096;

/** Long texts (SQL, column names, errors), each kept and indexed once, however many exchanges have it. */
export class Texts {
  readonly #find;
  readonly #add;
  readonly #index;
  readonly #used;
  readonly #text;
  readonly #unindex;
  readonly #remove;
  #known = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT id FROM texts WHERE sha256 = ?");
    this.#add = database.prepare("INSERT INTO texts (sha256, text) VALUES (?, ?)");
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
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const id = this.#lookUp(text);
    if (text.length <= MAX_KNOWN_LENGTH) {
      if (this.#known.size >= MAX_KNOWN) this.#known = new Map();
      this.#known.set(text, id);
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
    this.#known = new Map();
  }

  #lookUp(text: string): number {
    const digest = hash("sha256", text, "buffer");
    const found = this.#find.get(digest)?.id;
    if (found !== undefined) return Number(found);
    const id = Number(this.#add.run(digest, text).lastInsertRowid);
    this.#index.run(id, text);
    return id;
  }
}
