import type { DuckDBConnection } from "@duckdb/node-api";
import type { Column } from "../catalog.ts";
import { fromDuckDBError } from "../engine-errors.ts";
import { invalid } from "../errors.ts";
import { quoteIdentifier } from "../googlesql/tokens.ts";
import { Bindings, ValueError, valueSql } from "../inputs.ts";
import { readPage } from "../pages.ts";
import { insertAllSchema, parseBody } from "./bodies.ts";
import { integerParameter, type Method } from "./context.ts";
import { startIndex, timestampParameter } from "./queries.ts";
import { sqlName, tableName } from "./tables.ts";

/** tabledata.list. It never has a schema. */
export const listTableData: Method = async (api, call) => {
  const table = tableName(call);
  const { type } = api.catalog.requireTable(table);
  if (type === "VIEW") throw invalid(`Cannot list a table of type VIEW.`);
  const { rows, totalRows, pageToken } = await api.engine.use((connection) =>
    readPage(connection, api.catalog, {
      table,
      startIndex: startIndex(call),
      maxResults: integerParameter(call.query, "maxResults"),
      selectedFields: call.query.get("selectedFields") ?? undefined,
      timestamps: timestampParameter(call.query),
    }),
  );
  return {
    kind: "bigquery#tableDataList",
    totalRows: String(totalRows),
    ...(pageToken === undefined ? {} : { pageToken }),
    ...(rows.length === 0 ? {} : { rows }),
  };
};

/** Rows in one INSERT, so that its parameters keep to a number that DuckDB prepares at once. */
const ROWS_PER_STATEMENT = 200;

interface RowError {
  reason: "invalid" | "stopped";
  location: string;
  debugInfo: string;
  message: string;
}

/** tabledata.insertAll. One row that is not valid stops all, unless `skipInvalidRows`. */
export const insertAll: Method = async (api, call) => {
  const table = tableName(call);
  api.catalog.requireWritable(table.dataset);
  const { type } = api.catalog.requireTable(table);
  if (type === "VIEW") throw invalid("Cannot add rows to a view");
  const {
    rows,
    skipInvalidRows = false,
    ignoreUnknownValues = false,
  } = parseBody(insertAllSchema, call.body);
  if (rows.length === 0) throw invalid("No rows present in the request.");
  return api.engine.write(() =>
    api.engine.use(async (connection) => {
      const columns = await api.catalog.columns(connection, table);
      const errors = new Map<number, RowError>();
      for (const [index, row] of rows.entries()) {
        const error = checkRow(row.json, columns, ignoreUnknownValues);
        if (error !== undefined) errors.set(index, error);
      }
      const label = api.catalog.label(table);
      const isStopped = errors.size > 0 && !skipInvalidRows;
      const fresh: { json: Record<string, unknown>; insertId?: string | undefined }[] = [];
      for (const [index, row] of rows.entries()) {
        if (isStopped && !errors.has(index))
          errors.set(index, { reason: "stopped", location: "", debugInfo: "", message: "" });
        if (errors.has(index)) continue;
        const isRepeated =
          row.insertId !== undefined && api.recentInserts.isRepeated(label, row.insertId, Date.now());
        if (!isRepeated) fresh.push(row);
      }
      try {
        await store(
          connection,
          sqlName(table),
          columns,
          fresh.map((row) => row.json),
        );
      } catch (error) {
        for (const { insertId } of fresh)
          if (insertId !== undefined) api.recentInserts.forget(label, insertId);
        throw fromDuckDBError(error, () => "[1:1]");
      }
      api.catalog.touch(table, Date.now());
      return response(errors);
    }),
  );
};

export function checkRow(
  json: Record<string, unknown>,
  columns: readonly Column[],
  ignoreUnknown: boolean,
): RowError | undefined {
  const fail = (location: string, message: string): RowError => ({
    reason: "invalid",
    location,
    debugInfo: "",
    message,
  });
  const names = new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  for (const name of Object.keys(json)) {
    if (!ignoreUnknown && !names.has(name.toLowerCase())) return fail(name, `no such field: ${name}.`);
  }
  for (const column of columns) {
    const value = fieldValue(json, column);
    if (!column.nullable && (value === null || value === undefined)) {
      return fail(column.name, `Missing required field: ${column.name}.`);
    }
    try {
      valueSql(value, column.type, new Bindings(), column.name);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      return fail(error.path, error.message);
    }
  }
  return undefined;
}

/** A column's value; the names of fields are taken without regard to case. */
function fieldValue(json: Record<string, unknown>, column: Column): unknown {
  if (Object.hasOwn(json, column.name)) return json[column.name];
  const name = Object.keys(json).find((key) => key.toLowerCase() === column.name.toLowerCase());
  return name === undefined ? undefined : json[name];
}

export async function store(
  connection: DuckDBConnection,
  name: string,
  columns: readonly Column[],
  rows: readonly Record<string, unknown>[],
): Promise<void> {
  if (rows.length === 0) return;
  const list = columns.map((column) => quoteIdentifier(column.name)).join(", ");
  await connection.run("BEGIN");
  try {
    for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT) {
      const bindings = new Bindings();
      const tuples = rows
        .slice(from, from + ROWS_PER_STATEMENT)
        .map(
          (row) =>
            `(${columns.map((column) => valueSql(fieldValue(row, column), column.type, bindings)).join(", ")})`,
        );
      await connection.run(`INSERT INTO ${name} (${list}) VALUES ${tuples.join(", ")}`, bindings.values);
    }
    await connection.run("COMMIT");
  } catch (error) {
    await connection.run("ROLLBACK");
    throw error;
  }
}

function response(errors: ReadonlyMap<number, RowError>): object {
  const insertErrors = [...errors]
    .sort(([one], [other]) => one - other)
    .map(([index, error]) => ({ index, errors: [error] }));
  return {
    kind: "bigquery#tableDataInsertAllResponse",
    ...(insertErrors.length === 0 ? {} : { insertErrors }),
  };
}
