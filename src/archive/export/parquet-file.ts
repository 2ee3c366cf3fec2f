import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import type { ExportContext } from "./format.ts";
import { COLUMNS, rowOf } from "./parquet-columns.ts";
import { type Selection, selected } from "./selection.ts";

/** Memory that DuckDB may take. */
const MEMORY_LIMIT = "256MiB";
/** Rows have up to some 60 KiB, SQL and headers, and a row group is in memory until it is written. */
const ROW_GROUP = 2_048;
/** Bytes of a row's JSON at most; DuckDB's own default. */
const MAX_ROW = 16 * 1024 * 1024;

/**
 * Writes a Parquet file; the path does not exist yet. Rows pass through a file of JSON beside it, which DuckDB reads as it
 * writes: what is handed to it in memory, V8 does not know the size of, and keeps.
 */
export async function writeParquet(
  path: string,
  selection: Selection,
  context: ExportContext,
): Promise<void> {
  const scratch = await mkdtemp(join(dirname(path), ".bqtape-parquet-"));
  try {
    const rows = join(scratch, "rows.ndjson");
    const output = createWriteStream(rows, { mode: 0o600 });
    await pipeline(Readable.from(rowLines(selection, context)), output, { signal: context.signal });
    const columns = COLUMNS.map(({ name, type }) => `${literal(name)}: ${literal(type)}`).join(", ");
    await run(
      scratch,
      `COPY (SELECT * FROM read_json(${literal(rows)}, format = 'newline_delimited', columns = {${columns}},
         maximum_object_size = ${MAX_ROW}))
       TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP})`,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function* rowLines(selection: Selection, { search, notes }: ExportContext): Generator<string> {
  for (const { session, exchanges } of selected(search, selection)) {
    for (const exchange of exchanges) {
      yield `${rowOf(exchange, session)}\n`;
      notes.exchanges += 1;
    }
  }
}

async function run(scratch: string, sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: MEMORY_LIMIT,
    temp_directory: join(scratch, "spilled"),
    // Each thread has buffers of its own.
    threads: "1",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  try {
    const connection = await instance.connect();
    try {
      await connection.run(sql);
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
