import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type DuckDBConnection, DuckDBDataChunkWriter, DuckDBInstance } from "@duckdb/node-api";
import type { ExportContext } from "./format.ts";
import { COLUMNS, rowOf } from "./parquet-columns.ts";
import { type Selection, selected } from "./selection.ts";

/** Memory that DuckDB may take; what it has no room for goes to a file beside the export. */
const MEMORY_LIMIT = "192MiB";
/** Exchanges handed over at a time, and between two looks at everything else that wants to run, such as an interrupt. */
const ROWS_A_TURN = 512;
/** Rows have up to some 40 KiB, SQL and headers, and a row group is in memory when it is written. */
const ROW_GROUP = 2_048;

/** Writes a Parquet file; the path does not exist yet. */
export async function writeParquet(
  path: string,
  selection: Selection,
  context: ExportContext,
): Promise<void> {
  // In a file, rows need not be in memory until all of them are known.
  const scratch = await mkdtemp(join(dirname(path), ".bqtape-parquet-"));
  try {
    const instance = await DuckDBInstance.create(join(scratch, "rows.duckdb"), {
      memory_limit: MEMORY_LIMIT,
      threads: "1",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    try {
      const connection = await instance.connect();
      await fill(connection, selection, context);
      await connection.run(
        `COPY exchanges TO '${path.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP})`,
      );
      connection.closeSync();
    } finally {
      instance.closeSync();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function fill(
  connection: DuckDBConnection,
  selection: Selection,
  { search, notes, signal }: ExportContext,
): Promise<void> {
  const columns = COLUMNS.map(({ name, type }) => `"${name}" ${type}`).join(", ");
  await connection.run(`CREATE TABLE exchanges (${columns})`);
  const appender = await connection.createAppender("exchanges");
  try {
    const writer = DuckDBDataChunkWriter.forAppender(appender, { rowsPerDataChunk: ROWS_A_TURN });
    for (const { session, exchanges } of selected(search, selection)) {
      for (const exchange of exchanges) {
        writer.appendRow(rowOf(exchange, session));
        notes.exchanges += 1;
        if (notes.exchanges % ROWS_A_TURN !== 0) continue;
        appender.flushSync();
        await setImmediate();
        signal.throwIfAborted();
      }
    }
    writer.flush();
  } finally {
    appender.closeSync();
  }
}
