import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { ArchiveError } from "../errors.ts";
import { KEY_BYTES, seal, unseal } from "./seal.ts";

/** Whose key tells whether the master key is the archive's own: no session has an empty id. */
const CHECK = "";

/**
 * The key of each scope: a session, or an exchange whose session is not known yet. They lie in the archive, each wrapped by the
 * archive's master key, so that to delete one is to destroy what it sealed, in every copy of the file made later.
 */
export class ScopeKeys {
  readonly #master: Buffer;
  readonly #find;
  readonly #add;
  /** Of the present batch: a key that another process has destroyed must not be used any longer. */
  #known = new Map<string, Buffer>();

  /** @throws {ArchiveError} `wrong-key` when the archive was made with another master key. */
  constructor(database: DatabaseSync, master: Buffer) {
    this.#master = master;
    this.#find = database.prepare("SELECT wrapped FROM scope_keys WHERE scope = ?");
    this.#add = (scope: string, wrapped: Buffer) =>
      database.prepare("INSERT INTO scope_keys VALUES (?, ?)").run(scope, wrapped);
    this.find(CHECK);
  }

  /** The scope's key; undefined when it has none, or none any more. @throws {ArchiveError} `wrong-key`. */
  find(scope: string): Buffer | undefined {
    const wrapped = this.#find.get(scope)?.wrapped;
    if (!(wrapped instanceof Uint8Array)) return undefined;
    const key = unseal(this.#master, scope, wrapped);
    if (key?.length === KEY_BYTES) return key;
    throw new ArchiveError(
      "wrong-key",
      "the archive was encrypted with another key: put its own back (archive.key beside it, or where archive.encryption says)",
    );
  }

  /** The scope's key, made when it has none. Only within a transaction. */
  ensure(scope: string): Buffer {
    const known = this.#known.get(scope) ?? this.find(scope);
    const key = known ?? randomBytes(KEY_BYTES);
    if (known === undefined) this.#add(scope, seal(this.#master, scope, key));
    this.#known.set(scope, key);
    return key;
  }

  /** Makes the master key the archive's own. Only within a transaction. */
  adopt(): void {
    this.ensure(CHECK);
  }

  /** A batch is over, or was given up. */
  renew(): void {
    if (this.#known.size > 0) this.#known = new Map();
  }
}
