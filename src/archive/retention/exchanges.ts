import type { StatementSync } from "node:sqlite";
import type { Row } from "../records/row.ts";
import type { Keeping } from "../store.ts";
import { Texts } from "../texts.ts";
import type { MayGoOn } from "./redact.ts";

const TEXTS = ["sql_text", "answer_text", "columns_text"] as const;

/** What began before a time, in milliseconds since the Unix epoch, and lies in front of a block. */
interface Older {
  readonly time: number;
  readonly block: number;
}

const ALL: Older = { time: Number.POSITIVE_INFINITY, block: Number.POSITIVE_INFINITY };

/**
 * Takes from the exchanges' rows of one session what they quote of bodies, or removes the rows, in one pass over as many calls
 * as it takes. Only within transactions, none of which is rolled back.
 */
export class Exchanges {
  readonly #keeping: Keeping;
  readonly #texts: Texts;
  readonly #all;
  readonly #telling;
  readonly #empty;
  readonly #emptyStatement;
  readonly #remove;
  readonly #loseReader;
  readonly #loseBeginning;
  readonly #isStray;
  readonly #removeBlocks;
  readonly #removeArrivals;
  /** Up to where the pass has come: what lies in front of it need not be looked at by each call. */
  #passed = { time: Number.NEGATIVE_INFINITY, rowid: 0 };

  constructor(keeping: Keeping) {
    const { database } = keeping;
    this.#keeping = keeping;
    this.#texts = new Texts(database);
    const next = (which: string) =>
      database.prepare(
        `SELECT rowid, id, time, statement, ${TEXTS.join(", ")} FROM exchanges
         WHERE session IS ?1 AND (time, rowid) > (?2, ?3) AND time < ?4 AND coalesce(last_block, first_block, 0) < ?5
           AND ${which}
         ORDER BY time, rowid LIMIT 1`,
      );
    this.#all = next("TRUE");
    const hasText = TEXTS.map((name) => `${name} IS NOT NULL`).join(" OR ");
    this.#telling = next(`(${hasText} OR EXISTS (SELECT 1 FROM scope_keys WHERE scope = id))`);
    this.#empty = database.prepare(
      `UPDATE exchanges SET ${TEXTS.map((name) => `${name} = NULL`).join(", ")} WHERE rowid = ?`,
    );
    // What its answer added to the row of a statement that another session began.
    this.#emptyStatement = database.prepare(
      `UPDATE exchanges SET answer_text = nullif(answer_text, ?2), columns_text = nullif(columns_text, ?3) WHERE id = ?1`,
    );
    this.#remove = database.prepare("DELETE FROM exchanges WHERE rowid = ?");
    // What such a statement comes to its own session's records tell no more.
    this.#loseReader = database.prepare(
      "UPDATE exchanges SET statement_shared = 1 WHERE id = ? AND session IS NOT ?",
    );
    this.#loseBeginning = database.prepare(
      "UPDATE exchanges SET statement_shared = 1 WHERE statement = ?1 AND statement <> id AND session IS NOT ?2",
    );
    this.#isStray = database.prepare("SELECT 1 FROM scope_keys WHERE scope = ?");
    this.#removeBlocks = database.prepare("DELETE FROM blocks WHERE scope = ?");
    this.#removeArrivals = database.prepare("DELETE FROM arrivals WHERE exchange = ?");
  }

  /** Leaves the rows of a session without texts, and its exchanges without the bodies that came before their beginnings. */
  empty(session: string, mayGoOn: MayGoOn): boolean {
    return this.#each(this.#telling, session, ALL, mayGoOn, (row) => {
      this.#empty.run(Number(row.rowid));
    });
  }

  /**
   * Removes the rows of a session, or of what has none (null), with all that belongs to them. Default: all.
   *
   * @param older those that began before a time, and whose records lie in front of a block.
   */
  remove(session: string | null, mayGoOn: MayGoOn, older: Older = ALL): boolean {
    return this.#each(this.#all, session, older, mayGoOn, (row) => {
      this.#remove.run(Number(row.rowid));
      this.#removeArrivals.run(String(row.id));
      const { id, statement } = row;
      if (typeof statement !== "string") return;
      (statement === id ? this.#loseBeginning : this.#loseReader).run(statement, session);
    });
  }

  #each(
    next: StatementSync,
    session: string | null,
    { time: before, block }: Older,
    mayGoOn: MayGoOn,
    change: (row: Row) => void,
  ): boolean {
    for (;;) {
      const { time, rowid } = this.#passed;
      const row = next.get(session, time, rowid, before, block);
      if (row === undefined) return true;
      this.#passed = { time: Number(row.time), rowid: Number(row.rowid) };
      change(row);
      const { id, statement, answer_text: answer = null, columns_text: columns = null } = row;
      if (typeof statement === "string" && statement !== id)
        this.#emptyStatement.run(statement, answer, columns);
      for (const name of TEXTS) if (row[name] !== null) this.#texts.removeIfUnused(Number(row[name]));
      if (this.#isStray.get(String(id)) !== undefined) {
        this.#removeBlocks.run(String(id));
        this.#keeping.keys.destroy(String(id));
      }
      if (!mayGoOn()) return false;
    }
  }
}
