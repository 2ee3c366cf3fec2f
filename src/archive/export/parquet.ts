import type { Format } from "./format.ts";

/**
 * Apache Parquet, one row for each exchange, as `parquet-columns.ts` says. Bodies stay out: their sizes and digests are in it, and
 * say which ones to take from another format.
 */
export const parquet: Format = {
  describe: "Apache Parquet, a row for each exchange, without bodies; for DuckDB, BigQuery, pandas",
  bulk: true,
  export: (selection, context) => ({
    kind: "file",
    async write(path) {
      // DuckDB is native code, which no other command should wait for.
      const { writeParquet } = await import("./parquet-file.ts");
      await writeParquet(path, selection, context);
    },
  }),
};
