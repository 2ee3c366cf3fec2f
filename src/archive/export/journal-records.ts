import { existsSync, readdirSync } from "node:fs";
import { journalDirectory, journalsDirectory } from "../../config/paths.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import { JournalReader } from "../../recording/reader.ts";
import { NO_SESSION } from "../search.ts";

/** Bytes of journal in memory. */
const READ_BYTES = 1024 * 1024;

/** A session's records, as far as the journals of a data directory have them still; journal by journal, in order. */
export function* journalRecords(dataDir: string, session: string): Generator<JournalRecord> {
  if (!existsSync(journalsDirectory(dataDir))) return;
  for (const name of readdirSync(journalsDirectory(dataDir)).sort()) {
    const reader = new JournalReader(journalDirectory(dataDir, name), 0);
    try {
      yield* ofSession(reader, session);
    } finally {
      reader.close();
    }
  }
}

function* ofSession(reader: JournalReader, session: string): Generator<JournalRecord> {
  const open = new Set<string>();
  for (let batch = reader.read(READ_BYTES); ; batch = reader.read(READ_BYTES)) {
    for (const { record } of batch.records) {
      if (record.kind === "body") {
        if (open.has(record.chunk.exchange)) yield record;
        continue;
      }
      const { event } = record;
      const its =
        "session" in event && event.session !== undefined
          ? event.session === session
          : isOfNone(event.type, session);
      if (!its) continue;
      if (event.type === "exchange.requested") open.add(event.exchange);
      if (event.type === "exchange.completed" || event.type === "exchange.denied")
        open.delete(event.exchange);
      yield record;
    }
    if (batch.records.length === 0 && batch.gaps.length === 0) return;
  }
}

/** Of those without a session, exchanges alone: a gateway's start and stop are nobody's. */
function isOfNone(type: string, session: string): boolean {
  return session === NO_SESSION && type.startsWith("exchange.");
}
