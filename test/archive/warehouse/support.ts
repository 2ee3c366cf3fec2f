import type { Loader } from "../../../src/archive/warehouse/load.ts";
import { type Row, rowOf } from "../../../src/archive/warehouse/rows.ts";
import { Spool } from "../../../src/archive/warehouse/spool.ts";
import { TABLE_NAMES, type TableName } from "../../../src/archive/warehouse/tables.ts";
import { readRecord } from "../../../src/delivery/records/read.ts";
import { type MemoryJournal, writeAll } from "../../delivery/records/journal.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** The rows that a journal's events make. */
export function rowsOf(journal: MemoryJournal): Record<TableName, Row[]> {
  const rows: Record<TableName, Row[]> = { exchanges: [], sessions: [], gaps: [] };
  for (const record of writeAll(journal)) {
    const message = readRecord(record);
    const made = message.kind === "event" ? rowOf(message) : undefined;
    if (made !== undefined) rows[made.table].push(made.row);
  }
  return rows;
}

/** Loads rows into their tables. */
export async function loadRows(loader: Loader, rows: Record<TableName, Row[]>): Promise<void> {
  for (const table of TABLE_NAMES) {
    const spool = new Spool(temporaryDirectory());
    try {
      spool.append(rows[table].map((row) => JSON.stringify(row)));
      if (spool.rows === 0) continue;
      const load = { table, id: `load-${table}`, labels: {}, rows: spool };
      await loader.load(load, new AbortController().signal);
    } finally {
      spool.close();
    }
  }
}
