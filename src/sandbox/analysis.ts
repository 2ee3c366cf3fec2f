import type { DuckDBConnection, DuckDBPreparedStatement } from "@duckdb/node-api";
import type { Catalog } from "./catalog.ts";
import { prepare, rowsOf } from "./engine.ts";
import { fromDuckDBError } from "./engine-errors.ts";
import { duplicate, invalidQuery } from "./errors.ts";
import type { Compiled } from "./googlesql/compile.ts";
import type { TableName } from "./googlesql/tables.ts";
import { type FieldSchema, fromDuckDBType, type SqlType, toFieldSchema } from "./sql-types.ts";

/** What is known of a statement before it runs: what a dry run tells. */
export interface Analysis {
  prepared: DuckDBPreparedStatement;
  /** The tables read or changed, views replaced by what is behind them. */
  referencedTables: TableName[];
  /**
   * The bytes of the columns that the statement names, in the tables that it reads: of all columns where it has a star. The
   * rows that it picks play no part, as in BigQuery.
   */
  bytes: number;
  /** The result's columns; a SELECT's only. */
  columns: { name: string; type: SqlType }[] | undefined;
}

/**
 * Looks a statement up in the catalog and lets DuckDB bind it. Nothing is written.
 *
 * @throws {ApiError} as BigQuery would refuse the statement.
 */
export async function analyse(
  connection: DuckDBConnection,
  catalog: Catalog,
  statement: Compiled,
): Promise<Analysis> {
  requireTarget(catalog, statement);
  for (const table of statement.tables) catalog.requireTable(table);
  try {
    const prepared = await prepare(connection, statement.sql, statement.bindings);
    const changed = changedTable(statement);
    const referencedTables = catalog.behindViews(
      changed === undefined ? statement.tables : [...statement.tables, changed],
    );
    return {
      prepared,
      referencedTables,
      bytes: await bytesRead(connection, catalog, statement, referencedTables),
      columns: statement.kind === "SELECT" ? await resultColumns(connection, statement, prepared) : undefined,
    };
  } catch (error) {
    throw fromDuckDBError(error, statement.place, targetLabel(catalog, statement));
  }
}

/** The fields of a result's schema. */
export function resultSchema(columns: readonly { name: string; type: SqlType }[]): FieldSchema[] {
  return columns.map(({ name, type }) => toFieldSchema(name, type));
}

/** `Table p:d.t` or `Dataset p:d`. */
export function targetLabel(catalog: Catalog, { target }: Compiled): string | undefined {
  if (target === undefined) return undefined;
  const { dataset, table } = target;
  return table === undefined
    ? `Dataset ${catalog.project}:${dataset}`
    : `Table ${catalog.label({ dataset, table })}`;
}

/** UPDATE, DELETE and MERGE read the table that they change; INSERT and the rest do not. */
function changedTable({ kind, target }: Compiled): TableName | undefined {
  if (!["UPDATE", "DELETE", "MERGE"].includes(kind) || target?.table === undefined) return undefined;
  return { dataset: target.dataset, table: target.table };
}

function requireTarget(catalog: Catalog, statement: Compiled): void {
  const { target, kind } = statement;
  if (target === undefined) return;
  const { dataset, table } = target;
  if (table === undefined) {
    // DuckDB's own schemas are no datasets: `main` holds the sandbox's macros.
    if (
      !/^[A-Za-z0-9]\w*$/.test(dataset) ||
      ["main", "pg_catalog", "information_schema"].includes(dataset.toLowerCase())
    ) {
      throw invalidQuery(`Invalid dataset ID "${dataset}"`);
    }
    if (target.mustExist) catalog.requireDataset(dataset);
    return;
  }
  catalog.requireWritable(dataset);
  if (target.mustExist) catalog.requireTable({ dataset, table });
  const exists = catalog.table({ dataset, table }) !== undefined;
  if (kind.startsWith("CREATE") && exists && !target.orReplace && !target.ifNotExists) {
    throw duplicate(`Table ${catalog.label({ dataset, table })}`);
  }
}

async function bytesRead(
  connection: DuckDBConnection,
  catalog: Catalog,
  statement: Compiled,
  tables: readonly TableName[],
): Promise<number> {
  const direct = new Set(statement.tables.map((table) => catalog.label(table)));
  let bytes = 0;
  for (const table of tables) {
    const { columns } = await catalog.sizes(connection, table);
    // What a view reads of the table behind it is not known here, so it counts as all.
    const all = statement.star || !direct.has(catalog.label(table));
    for (const [column, size] of columns) if (all || statement.names.has(column)) bytes += size;
  }
  return bytes;
}

async function resultColumns(
  connection: DuckDBConnection,
  statement: Compiled,
  prepared: DuckDBPreparedStatement,
): Promise<{ name: string; type: SqlType }[]> {
  const names = Array.from({ length: prepared.columnCount }, (_, index) => prepared.columnName(index));
  const unnamed = await unnamedColumns(connection, statement.sql, names.length);
  let count = 0;
  const columns = names.map((name, index) => ({
    name: unnamed.has(index) ? `f${count++}_` : name,
    type: fromDuckDBType(prepared.columnType(index)),
  }));
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (seen.has(name.toLowerCase())) {
      throw invalidQuery(
        `Duplicate column names in the result are not supported. Found duplicate(s): ${name}`,
      );
    }
    seen.add(name.toLowerCase());
  }
  return columns;
}

/** A node of DuckDB's syntax tree, as `json_serialize_sql` gives it. */
interface SyntaxNode {
  select_list?: { class: string; alias: string }[];
  left?: SyntaxNode;
}

/** Which columns of the result have no name: expressions without an alias. BigQuery calls them f0_, f1_, … */
async function unnamedColumns(
  connection: DuckDBConnection,
  sql: string,
  width: number,
): Promise<Set<number>> {
  const [row = []] = await rowsOf(connection, "SELECT json_serialize_sql($sql::VARCHAR)", { sql });
  const tree: { statements?: { node: SyntaxNode }[] } = JSON.parse(String(row[0]));
  let node = tree.statements?.[0]?.node;
  while (node?.left !== undefined) node = node.left;
  const items = node?.select_list ?? [];
  const unnamed = new Set<number>();
  const note = (item: { class: string; alias: string } | undefined, column: number): void => {
    if (item !== undefined && item.alias === "" && item.class !== "COLUMN_REF") unnamed.add(column);
  };
  // A star is of unknown width: what stands before the first is counted from the left, what stands after the last from the right.
  const isStar = (item: { class: string }): boolean => item.class === "STAR";
  const first = items.findIndex(isStar);
  const last = items.findLastIndex(isStar);
  const left = first < 0 ? items.length : first;
  for (let index = 0; index < left; index++) note(items[index], index);
  if (last >= 0) {
    for (let index = last + 1; index < items.length; index++)
      note(items[index], width - items.length + index);
  }
  return unnamed;
}
