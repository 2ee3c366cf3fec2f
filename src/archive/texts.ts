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
  #known = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT id FROM texts WHERE sha256 = ?");
    this.#add = database.prepare("INSERT INTO texts (sha256, text) VALUES (?, ?)");
    this.#index = database.prepare("INSERT INTO texts_index (rowid, text) VALUES (?, ?)");
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
