import type { Keeping } from "../store.ts";
import { Exchanges } from "./exchanges.ts";
import type { MayGoOn } from "./redact.ts";

/** Removes a session with all that belongs to it. */
export class Retirement {
  readonly #session: string;
  #exchanges: Exchanges | undefined;

  constructor(session: string) {
    this.#session = session;
  }

  /**
   * Goes on, also where an earlier one stopped, however that ended; true when it is done. Only within a transaction, which must
   * not be rolled back if this is to go on.
   */
  step(keeping: Keeping, mayGoOn: MayGoOn): boolean {
    const { database, keys } = keeping;
    this.#exchanges ??= new Exchanges(keeping);
    if (!this.#exchanges.remove(this.#session, mayGoOn)) return false;
    const removeBlock = database.prepare(
      "DELETE FROM blocks WHERE id = (SELECT id FROM blocks WHERE scope = ? ORDER BY id LIMIT 1)",
    );
    while (removeBlock.run(this.#session).changes > 0) if (!mayGoOn()) return false;
    keys.destroy(this.#session);
    database.prepare("DELETE FROM sessions WHERE id = ?").run(this.#session);
    return true;
  }
}
