import type { DatabaseSync } from "node:sqlite";
import type { JournalRecord } from "../../recording/frame.ts";
import { scrub } from "../../recording/scrub.ts";
import type { JournalSource } from "../ingest.ts";
import type { ArchiveStore } from "../store.ts";

/**
 * Takes out of journals what the archive has no more: segments are unlinked as a whole, and the last one may be months old.
 *
 * @param delivered up to where a journal is delivered; undefined when it is not to be.
 * @returns whether nothing is left to do: what Kafka has not got yet is kept for it.
 */
export function scrubRetired(
  store: ArchiveStore,
  journals: readonly JournalSource[],
  delivered: (journal: string) => number | undefined,
): boolean {
  const isMeant = retiredIn(store.database);
  let isDone = true;
  for (const { name, directory } of journals) {
    const [applied, known] = [store.checkpoint(name), delivered(name)];
    scrub(directory, Math.min(applied, known ?? applied), isMeant);
    isDone &&= known === undefined || known >= applied;
  }
  return isDone;
}

/** Tells records of exchanges that are not in the archive any more, or whose bodies are not. */
function retiredIn(database: DatabaseSync): (record: JournalRecord) => boolean {
  const find = database.prepare(
    `SELECT s.bodies_retired >= x.time AS emptied FROM exchanges x LEFT JOIN sessions s ON s.id = x.session
     WHERE x.id = ?`,
  );
  let [last, isRetired] = ["", false];
  return (record) => {
    const exchange = exchangeOf(record);
    if (exchange === undefined) return false;
    if (exchange !== last) {
      const row = find.get(exchange);
      [last, isRetired] = [exchange, row === undefined || row.emptied === 1];
    }
    return isRetired;
  };
}

function exchangeOf(record: JournalRecord): string | undefined {
  if (record.kind === "body") return record.chunk.exchange;
  return "exchange" in record.event ? record.event.exchange : undefined;
}
