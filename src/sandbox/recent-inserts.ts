/** How long BigQuery remembers an `insertId`, at best ("Best effort de-duplication"). */
const REMEMBERED_MS = 60_000;

/** No more than so many are remembered, whatever their age. */
const MAX_REMEMBERED = 100_000;

/** The `insertId`s of late, so that a row that is sent again is not stored again. */
export class RecentInserts {
  /** Oldest first. */
  readonly #seen = new Map<string, number>();

  /** Whether this row was stored before; if not, it counts as stored from now on. */
  isRepeated(table: string, insertId: string, now: number): boolean {
    for (const [key, at] of this.#seen) {
      if (now - at < REMEMBERED_MS && this.#seen.size < MAX_REMEMBERED) break;
      this.#seen.delete(key);
    }
    const key = `${table}\n${insertId}`;
    if (this.#seen.has(key)) return true;
    this.#seen.set(key, now);
    return false;
  }

  /** Takes back what a failed insert had put in. */
  forget(table: string, insertId: string): void {
    this.#seen.delete(`${table}\n${insertId}`);
  }
}
