import type { DatabaseSync } from "node:sqlite";

/**
 * Bytes of the archive that are in use. Pages of what is gone are filled again before the file grows, so it stays as large as
 * it was at its largest; to give them back (`auto_vacuum`) would cost each page that is written an entry in a map.
 */
export function usedBytes(database: DatabaseSync): number {
  const row = database
    .prepare(
      `SELECT (p.page_count - f.freelist_count) * s.page_size AS bytes
       FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s`,
    )
    .get();
  return Number(row?.bytes ?? 0);
}
