import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { ArchiveError, isDamage } from "../errors.ts";
import { KEY_BYTES, seal, unseal } from "./seal.ts";

/** Whose key tells whether the master key is the archive's own: no session has an empty id. */
const CHECK = "";

/** A key of a scope, and the id that blocks name it by. */
export interface ScopeKey {
  readonly id: number;
  readonly bytes: Buffer;
}

/**
 * The keys of each scope: a session, or an exchange whose session is not known yet. They lie in the archive, each wrapped by the
 * archive's master key, so that to delete one is to destroy what it sealed, in every copy of the file made later. What is
 * recorded is sealed with the scope's youngest.
 */
export class ScopeKeys {
  readonly #master: Buffer;
  readonly #find;
  readonly #add;
  readonly #drop;
  readonly #lastId;
  /** Of the present batch: a key that another process has destroyed must not be used any longer. */
  #known = new Map<string, ScopeKey>();

  /** @throws {ArchiveError} `wrong-key` when the archive was made with another master key. */
  constructor(database: DatabaseSync, master: Buffer) {
    this.#master = master;
    this.#find = database.prepare(
      "SELECT id, wrapped FROM scope_keys WHERE scope = ? ORDER BY id DESC LIMIT 1",
    );
    this.#lastId = database.prepare("SELECT max(id) AS id FROM scope_keys");
    this.#add = database.prepare("INSERT INTO scope_keys VALUES (?, ?, ?)");
    this.#drop = database.prepare("DELETE FROM scope_keys WHERE scope = ? AND id < ?");
    this.#youngest(CHECK);
  }

  /**
   * A key as it lies in the archive; undefined when it is not there any more.
   *
   * @throws {ArchiveError} `wrong-key`.
   */
  open(id: number, scope: string, wrapped: unknown): Buffer | undefined {
    return wrapped instanceof Uint8Array ? unwrap(this.#master, id, scope, wrapped) : undefined;
  }

  /** Likewise; undefined, too, when it was changed. */
  openIfSound(id: number, scope: string, wrapped: unknown): Buffer | undefined {
    if (!(wrapped instanceof Uint8Array)) return undefined;
    const key = unseal(this.#master, placeOf(id, scope), wrapped);
    return key?.length === KEY_BYTES ? key : undefined;
  }

  /** The scope's youngest key, made when it has none. Only within a transaction. */
  ensure(scope: string): ScopeKey {
    const known = this.#known.get(scope) ?? this.#youngest(scope);
    if (known === undefined) return this.renewed(scope);
    this.#known.set(scope, known);
    return known;
  }

  /** A new key, with which the scope's blocks are sealed from now on. Only within a transaction. */
  renewed(scope: string): ScopeKey {
    const key = { id: Number(this.#lastId.get()?.id ?? 0) + 1, bytes: randomBytes(KEY_BYTES) };
    this.#add.run(key.id, scope, seal(this.#master, placeOf(key.id, scope), key.bytes));
    this.#known.set(scope, key);
    return key;
  }

  /** Destroys the scope's keys that are older than this one; without one, all. Only within a transaction. */
  destroy(scope: string, before = Number.MAX_SAFE_INTEGER): void {
    this.#drop.run(scope, before);
    this.#known.delete(scope);
  }

  /** Makes the master key the archive's own. Only within a transaction. */
  adopt(): void {
    this.ensure(CHECK);
  }

  /** A batch is over, or was given up. */
  renew(): void {
    if (this.#known.size > 0) this.#known = new Map();
  }

  #youngest(scope: string): ScopeKey | undefined {
    const row = this.#find.get(scope);
    const bytes = row === undefined ? undefined : this.open(Number(row.id), scope, row.wrapped);
    return row === undefined || bytes === undefined ? undefined : { id: Number(row.id), bytes };
  }
}

/** Whether a master key is the one that an archive's keys are wrapped with; any is, of an archive without keys. */
export function isKeyOf(database: DatabaseSync, master: Buffer): boolean {
  const row = database.prepare("SELECT id, scope, wrapped FROM scope_keys ORDER BY id LIMIT 1").get();
  if (!(row?.wrapped instanceof Uint8Array)) return true;
  return unseal(master, placeOf(Number(row.id), String(row.scope)), row.wrapped) !== undefined;
}

/** One key of an archive that may be damaged: `gone` when it was destroyed, undefined when it cannot be unwrapped or read. */
export function openScopeKey(
  database: DatabaseSync,
  master: Buffer,
  id: number,
  scope: string,
): Buffer | "gone" | undefined {
  try {
    const row = database.prepare("SELECT wrapped FROM scope_keys WHERE id = ? AND scope = ?").get(id, scope);
    if (row === undefined) return "gone";
    const key =
      row.wrapped instanceof Uint8Array ? unseal(master, placeOf(id, scope), row.wrapped) : undefined;
    return key?.length === KEY_BYTES ? key : undefined;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/**
 * Wraps all keys with another master key. Only within a transaction.
 *
 * @returns how many there are.
 * @throws {ArchiveError} `wrong-key`.
 */
export function rewrapKeys(database: DatabaseSync, master: Buffer, next: Buffer): number {
  const find = database.prepare("SELECT id, scope, wrapped FROM scope_keys WHERE id > ? ORDER BY id LIMIT 1");
  const replace = database.prepare("UPDATE scope_keys SET wrapped = ? WHERE id = ?");
  let count = 0;
  for (let row = find.get(-1); row !== undefined; row = find.get(Number(row.id))) {
    const [id, scope] = [Number(row.id), String(row.scope)];
    const key = unwrap(master, id, scope, row.wrapped as Uint8Array);
    replace.run(seal(next, placeOf(id, scope), key), id);
    count += 1;
  }
  return count;
}

/** Where a wrapped key belongs, for {@link seal}. */
function placeOf(id: number, scope: string): string {
  return `key ${id} of ${scope}`;
}

/** @throws {ArchiveError} `wrong-key`. */
function unwrap(master: Buffer, id: number, scope: string, wrapped: Uint8Array): Buffer {
  const key = unseal(master, placeOf(id, scope), wrapped);
  if (key?.length === KEY_BYTES) return key;
  throw new ArchiveError(
    "wrong-key",
    "the archive was encrypted with another key: put its own back (archive.key beside it, or where archive.encryption says)",
  );
}
