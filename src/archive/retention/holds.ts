import { ArchiveError } from "../errors.ts";
import type { Row } from "../records/row.ts";
import type { Keeping } from "../store.ts";

/** Who does something to a session, and why. */
export interface Order {
  readonly session: string;
  readonly by: string;
  readonly because: string;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
}

/**
 * Puts a session under legal hold: it is neither retired nor forgotten until the hold is released. One that is held already
 * stays as it was held first. Only within a transaction.
 *
 * @throws {ArchiveError} `unknown-id` when the session is gone; `failed` when a part of it has been retired already.
 */
export function hold({ database }: Keeping, { session, by, because, time }: Order): void {
  const known = sessionRow({ database }, session);
  if (known.held !== null) return;
  if (known.retiring !== null) {
    const what = known.retiring === "bodies" ? "its bodies and SQL are" : "it is";
    throw new ArchiveError(
      "failed",
      `session ${session} cannot be held any more: ${what} being retired right now, and a part has gone already`,
    );
  }
  database
    .prepare("UPDATE sessions SET held = ?, held_by = ?, held_because = ? WHERE id = ?")
    .run(time, by, because, session);
}

/** Releases a session's hold. Only within a transaction. @throws {ArchiveError} `unknown-id`; `failed` when it is not held. */
export function release({ database }: Keeping, session: string): void {
  if (sessionRow({ database }, session).held === null) {
    throw new ArchiveError("failed", `session ${session} is not held`);
  }
  database
    .prepare("UPDATE sessions SET held = NULL, held_by = NULL, held_because = NULL WHERE id = ?")
    .run(session);
}

/** A session's row. @throws {ArchiveError} `unknown-id`. */
export function sessionRow({ database }: Pick<Keeping, "database">, session: string): Row {
  const row = database.prepare("SELECT * FROM sessions WHERE id = ?").get(session);
  if (row !== undefined) return row;
  throw new ArchiveError("unknown-id", `session ${session} is not in the archive any more`);
}
