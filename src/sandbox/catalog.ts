import type { DuckDBConnection } from "@duckdb/node-api";
import { prepare, rowsOf } from "./engine.ts";
import { invalid, notFound } from "./errors.ts";
import type { TableName } from "./googlesql/tables.ts";
import { quoteIdentifier } from "./googlesql/tokens.ts";
import { Slots } from "./slots.ts";
import { type FieldSchema, fromDuckDBType, type SqlType, toFieldSchema } from "./sql-types.ts";

/** Where all of the sandbox is said to be. */
export const LOCATION = "US";

/** What people write about a dataset or a table, and when. Times are milliseconds since 1970. */
export interface Notes {
  description?: string | undefined;
  friendlyName?: string | undefined;
  labels?: Record<string, string> | undefined;
  created: number;
  modified: number;
}

export interface DatasetEntry extends Notes {
  tables: Map<string, TableEntry>;
}

export interface TableEntry extends Notes {
  type: "TABLE" | "VIEW";
  /** A view's query, as it was written. */
  definition?: string | undefined;
  /** The tables behind a view. */
  sources?: readonly TableName[] | undefined;
  /** How BigQuery would lay it out; here it is only remembered. */
  layout?: { timePartitioning?: object | undefined; clustering?: object | undefined } | undefined;
  fieldDescriptions?: Map<string, string> | undefined;
  /** Rows, and bytes by column in small letters; unknown after a change. */
  sizes?: TableSizes | undefined;
}

export interface TableSizes {
  rows: number;
  columns: Map<string, number>;
}

export interface Column {
  name: string;
  type: SqlType;
  nullable: boolean;
}

/** What datasets and tables there are. DuckDB holds the data; this, what it has no place for. */
export class Catalog {
  readonly project: string;
  /** The dataset of result tables. Its name begins with `_`, which keeps a dataset out of lists. */
  readonly anonymousDataset: string;
  readonly #refreshing = new Slots(1);
  readonly #datasets = new Map<string, DatasetEntry>();

  constructor(project: string, anonymousDataset: string) {
    this.project = project;
    this.anonymousDataset = anonymousDataset;
  }

  /** The datasets that lists show, in order of their names. */
  listDatasets(): [string, DatasetEntry][] {
    return [...this.#datasets].filter(([name]) => !name.startsWith("_")).sort(byName);
  }

  listTables(dataset: string): [string, TableEntry][] {
    return [...this.requireDataset(dataset).tables].sort(byName);
  }

  dataset(name: string): DatasetEntry | undefined {
    return this.#datasets.get(name);
  }

  /** @throws {ApiError} 404 */
  requireDataset(name: string): DatasetEntry {
    const entry = this.#datasets.get(name);
    if (entry === undefined)
      throw notFound(`Dataset ${this.project}:${name} was not found in location ${LOCATION}`);
    return entry;
  }

  /**
   * A dataset that requests may change: results are for the sandbox alone to write.
   *
   * @throws {ApiError} 404; 400 for the dataset of results.
   */
  requireWritable(name: string): DatasetEntry {
    if (name === this.anonymousDataset) throw invalid(`Dataset ${name} holds results and cannot be changed`);
    return this.requireDataset(name);
  }

  table({ dataset, table }: TableName): TableEntry | undefined {
    return this.#datasets.get(dataset)?.tables.get(table);
  }

  /** @throws {ApiError} 404 */
  requireTable(name: TableName): TableEntry {
    this.requireDataset(name.dataset);
    const entry = this.table(name);
    if (entry === undefined)
      throw notFound(`Table ${this.label(name)} was not found in location ${LOCATION}`);
    return entry;
  }

  /** `project:dataset.table` */
  label({ dataset, table }: TableName): string {
    return `${this.project}:${dataset}.${table}`;
  }

  /** Takes in what statements have made or dropped. One at a time, lest an older view of things come in after a newer. */
  refresh(connection: DuckDBConnection, now: number): Promise<void> {
    return this.#refreshing.run(() => this.#read(connection, now));
  }

  async #read(connection: DuckDBConnection, now: number): Promise<void> {
    const schemas = await rowsOf(
      connection,
      "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'memory' AND NOT internal AND schema_name <> 'main'",
    );
    const relations = await rowsOf(
      connection,
      `SELECT table_schema, table_name, table_type FROM information_schema.tables
       WHERE table_catalog = 'memory' AND table_schema <> 'main'`,
    );
    const found = new Map<string, Map<string, "TABLE" | "VIEW">>(
      schemas.map(([name]) => [String(name), new Map()]),
    );
    for (const [schema, table, type] of relations) {
      found.get(String(schema))?.set(String(table), type === "VIEW" ? "VIEW" : "TABLE");
    }
    for (const name of this.#datasets.keys()) if (!found.has(name)) this.#datasets.delete(name);
    for (const [name, tables] of found) {
      const entry = this.#datasets.get(name) ?? { created: now, modified: now, tables: new Map() };
      this.#datasets.set(name, entry);
      for (const table of entry.tables.keys()) if (!tables.has(table)) entry.tables.delete(table);
      for (const [table, type] of tables) {
        if (entry.tables.get(table)?.type !== type)
          entry.tables.set(table, { created: now, modified: now, type });
      }
    }
  }

  /** Notes that a table's rows or columns are others now. */
  touch(name: TableName, now: number): void {
    const entry = this.table(name);
    if (entry === undefined) return;
    entry.modified = now;
    entry.sizes = undefined;
  }

  async columns(connection: DuckDBConnection, { dataset, table }: TableName): Promise<Column[]> {
    const prepared = await prepare(
      connection,
      `SELECT * FROM ${quoteIdentifier(dataset)}.${quoteIdentifier(table)}`,
      {},
    );
    const rows = await rowsOf(
      connection,
      "SELECT column_name FROM duckdb_columns() WHERE schema_name = $dataset AND table_name = $table AND NOT is_nullable",
      { dataset, table },
    );
    const required = new Set(rows.map(([name]) => name));
    return Array.from({ length: prepared.columnCount }, (_, index) => {
      const name = prepared.columnName(index);
      return { name, type: fromDuckDBType(prepared.columnType(index)), nullable: !required.has(name) };
    });
  }

  /** The fields of a table's schema, as tables.get answers. */
  async fields(connection: DuckDBConnection, name: TableName): Promise<FieldSchema[]> {
    const descriptions = this.table(name)?.fieldDescriptions;
    const columns = await this.columns(connection, name);
    return columns.map((column) => {
      const field = toFieldSchema(column.name, column.type, column.nullable);
      const description = descriptions?.get(column.name);
      if (description !== undefined) field.description = description;
      // NUMERIC as it is without parameters is not spelt out.
      if (column.type.kind === "NUMERIC" && column.type.precision < 38) {
        field.precision = String(column.type.precision);
        if (column.type.scale > 0) field.scale = String(column.type.scale);
      }
      return field;
    });
  }

  /** A table's rows and the bytes of its columns, counted by the rules of BigQuery's "Data type sizes". A view has none. */
  async sizes(connection: DuckDBConnection, name: TableName): Promise<TableSizes> {
    const entry = this.requireTable(name);
    if (entry.type === "VIEW") return { rows: 0, columns: new Map() };
    if (entry.sizes !== undefined) return entry.sizes;
    const columns = await this.columns(connection, name);
    const sums = columns.map(
      ({ name: column, type }) => `coalesce(sum(${sizeSql(quoteIdentifier(column), type)}), 0)::BIGINT`,
    );
    const [row = []] = await rowsOf(
      connection,
      `SELECT count(*), ${sums.join(", ")} FROM ${quoteIdentifier(name.dataset)}.${quoteIdentifier(name.table)}`,
    );
    const [rows, ...bytes] = row;
    const sizes = {
      rows: Number(rows),
      columns: new Map(columns.map((column, index) => [column.name.toLowerCase(), Number(bytes[index])])),
    };
    entry.sizes = sizes;
    return sizes;
  }

  /** Tables with views replaced by what is behind them. */
  behindViews(names: readonly TableName[]): TableName[] {
    const tables = new Map<string, TableName>();
    const visit = (name: TableName): void => {
      const sources = this.table(name)?.sources;
      if (sources === undefined) tables.set(this.label(name), name);
      else for (const source of sources) visit(source);
    };
    for (const name of names) visit(name);
    return [...tables.values()];
  }
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}

/** Bytes of one value: fixed for most types; text and bytes 2 more than their length; nothing for NULL. */
function sizeSql(expression: string, type: SqlType, depth = 0): string {
  const unlessNull = (size: string): string => `CASE WHEN ${expression} IS NULL THEN 0 ELSE ${size} END`;
  switch (type.kind) {
    case "BOOL":
      return unlessNull("1");
    case "NUMERIC":
    case "INTERVAL":
      return unlessNull("16");
    case "STRING":
    case "JSON":
      return unlessNull(`2 + strlen(CAST(${expression} AS VARCHAR))`);
    case "BYTES":
      return unlessNull(`2 + octet_length(${expression})`);
    case "ARRAY": {
      const item = `x${depth}`;
      const sizes = `list_transform(${expression}, lambda ${item}: ${sizeSql(item, type.element, depth + 1)})`;
      return unlessNull(`coalesce(list_sum(${sizes}), 0)`);
    }
    case "STRUCT": {
      const fields = type.fields.map((field) =>
        sizeSql(`struct_extract(${expression}, '${field.name.replaceAll("'", "''")}')`, field.type, depth),
      );
      return unlessNull(fields.join(" + "));
    }
    default:
      return unlessNull("8");
  }
}
