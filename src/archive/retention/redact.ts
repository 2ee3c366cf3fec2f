import { frameOf, type JournalRecord } from "../../recording/frame.ts";
import { sealedForm } from "../../recording/sealed-form.ts";
import { decodeBlock } from "../blocks/reader.ts";
import { sealBlock } from "../blocks/writer.ts";
import type { Keeping } from "../store.ts";
import { Exchanges } from "./exchanges.ts";

/** Whether to go on in this transaction: asked after each piece of work. */
export type MayGoOn = () => boolean;

/**
 * Takes out of a session what it quotes: of its records, its events stay in sealed form, under a new key; bodies, SQL, column
 * names and errors go, and so do the old keys. One that is cut short is begun anew, and passes over what is done quickly.
 */
export class Redaction {
  readonly #session: string;
  /** The id of the new key: whatever is recorded from its making on is sealed with it, and stays. */
  #key: number | undefined;
  #exchanges: Exchanges | undefined;

  constructor(session: string) {
    this.#session = session;
  }

  /** Goes on; true when it is done. Only within a transaction, which must not be rolled back if this is to go on. */
  step(keeping: Keeping, mayGoOn: MayGoOn): boolean {
    const { database, keys } = keeping;
    this.#key ??= keys.renewed(this.#session).id;
    this.#exchanges ??= new Exchanges(keeping);
    if (!this.#exchanges.empty(this.#session, mayGoOn)) return false;
    if (!sealAnew(keeping, this.#session, this.#key, mayGoOn)) return false;
    keys.destroy(this.#session, this.#key);
    database
      .prepare(
        "UPDATE sessions SET bodies_retired = last_activity, retiring = nullif(retiring, 'bodies') WHERE id = ?",
      )
      .run(this.#session);
    return true;
  }
}

/** Rewrites the scope's blocks that lie under older keys. One that cannot be read any more goes. */
function sealAnew({ database, keys }: Keeping, scope: string, key: number, mayGoOn: MayGoOn): boolean {
  const next = database.prepare(
    `SELECT b.id, b.key, b.content, b.sealed, k.wrapped FROM blocks b
     LEFT JOIN scope_keys k ON k.id = b.key AND k.scope = b.scope
     WHERE b.scope = ? AND b.key < ? AND b.id > ? ORDER BY b.id LIMIT 1`,
  );
  const replace = database.prepare("UPDATE blocks SET key = ?, content = ?, sealed = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM blocks WHERE id = ?");
  const wrapped = database.prepare("SELECT wrapped FROM scope_keys WHERE id = ?").get(key)?.wrapped;
  const bytes = keys.open(key, scope, wrapped);
  for (let id = 0; ; ) {
    const row = next.get(scope, key, id);
    if (row === undefined) return true;
    id = Number(row.id);
    const old = keys.openIfSound(Number(row.key), scope, row.wrapped);
    const records = old === undefined ? [] : decodeBlock(old, id, scope, row.sealed, Number(row.content));
    const frames = typeof records === "string" ? [] : framesLeft(records);
    if (frames.length === 0 || bytes === undefined) remove.run(id);
    else {
      const content = Buffer.concat(frames);
      replace.run(key, content.length, sealBlock(bytes, id, scope, content), id);
    }
    if (!mayGoOn()) return false;
  }
}

function framesLeft(records: readonly JournalRecord[]): Buffer[] {
  return records.flatMap((record) =>
    record.kind === "event" ? [frameOf({ kind: "event", event: sealedForm(record.event) })] : [],
  );
}
