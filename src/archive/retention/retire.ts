import { decodeBlock } from "../blocks/reader.ts";
import { NO_SESSION } from "../records/session.ts";
import type { Keeping } from "../store.ts";
import { Exchanges } from "./exchanges.ts";
import type { MayGoOn } from "./redact.ts";

/** Rows of refused identities removed at a time. */
const SOME = 500;

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

/**
 * Removes what has no session and is older than a time: what was refused, and what gateways say of themselves. Only within a
 * transaction.
 *
 * @returns whether it is done.
 */
export function retireWithoutSession(keeping: Keeping, before: number, mayGoOn: MayGoOn): boolean {
  if (!new Exchanges(keeping).remove(null, mayGoOn, before)) return false;
  const removeRefused = keeping.database.prepare(
    `DELETE FROM refused_identities WHERE (journal, position) IN
       (SELECT journal, position FROM refused_identities WHERE time < ? LIMIT ${SOME})`,
  );
  while (removeRefused.run(before).changes > 0) if (!mayGoOn()) return false;
  return removeBlocksBefore(keeping, before, mayGoOn);
}

/** Blocks from the oldest on, as long as all that is in them is older. */
function removeBlocksBefore({ database, keys }: Keeping, before: number, mayGoOn: MayGoOn): boolean {
  const oldest = database.prepare(
    `SELECT b.id, b.key, b.content, b.sealed, k.wrapped FROM blocks b
     LEFT JOIN scope_keys k ON k.id = b.key AND k.scope = b.scope WHERE b.scope = ? ORDER BY b.id LIMIT 1`,
  );
  const remove = database.prepare("DELETE FROM blocks WHERE id = ?");
  for (;;) {
    const row = oldest.get(NO_SESSION);
    if (row === undefined) return true;
    const [id, key] = [Number(row.id), keys.openIfSound(Number(row.key), NO_SESSION, row.wrapped)];
    const records =
      key === undefined ? [] : decodeBlock(key, id, NO_SESSION, row.sealed, Number(row.content));
    const isOld = (record: Exclude<typeof records, string>[number]) =>
      record.kind === "body" || record.event.time < before;
    // How old one is that cannot be read nobody can tell; it holds up nothing.
    if (typeof records !== "string" && !records.every(isOld)) return true;
    remove.run(id);
    if (!mayGoOn()) return false;
  }
}
