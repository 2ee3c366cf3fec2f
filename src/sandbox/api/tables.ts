import type { DuckDBConnection } from "@duckdb/node-api";
import { LOCATION, type TableEntry } from "../catalog.ts";
import { fromDuckDBError } from "../engine-errors.ts";
import { duplicate, invalid, notImplemented, required } from "../errors.ts";
import { execute } from "../execution.ts";
import { compile } from "../googlesql/compile.ts";
import type { TableName } from "../googlesql/tables.ts";
import { quoteIdentifier } from "../googlesql/tokens.ts";
import { tableReference } from "../job-resource.ts";
import { type FieldSchema, fromFieldSchema, toDuckDBSql } from "../sql-types.ts";
import { parseBody, requireProject, tableSchema } from "./bodies.ts";
import { type Api, type Call, type Method, pathPart } from "./context.ts";
import { slice } from "./datasets.ts";
import { applyNotes, notesOf } from "./notes.ts";

/** tables.list */
export const listTables: Method = (api, call) => {
  const dataset = pathPart(call, "datasetId");
  const all = api.catalog.listTables(dataset);
  const { page, nextPageToken } = slice(call, all);
  return {
    kind: "bigquery#tableList",
    ...nextPageToken,
    tables: page.map(([table, entry]) => ({
      kind: "bigquery#table",
      ...identity(api, { dataset, table }),
      ...notesOf(entry),
      type: entry.type,
      creationTime: String(entry.created),
    })),
    totalItems: all.length,
  };
};

/** tables.get */
export const getTable: Method = (api, call) => {
  const name = tableName(call);
  const entry = api.catalog.requireTable(name);
  return api.engine.use((connection) => tableResource(connection, api, name, entry));
};

/** tables.insert, of a table with a schema or of a view */
export const insertTable: Method = async (api, call) => {
  const {
    tableReference: reference,
    schema,
    view,
    timePartitioning,
    clustering,
    ...notes
  } = parseBody(tableSchema, call.body);
  if (reference === undefined) throw required("tableReference");
  requireProject(api.project, reference.projectId);
  const name = { dataset: pathPart(call, "datasetId"), table: reference.tableId };
  if (reference.datasetId !== name.dataset)
    throw invalid("tableReference names another dataset than the path");
  if (!/^[\p{L}\p{N}_-]{1,1024}$/u.test(name.table)) throw invalid(`Invalid table ID "${name.table}"`);
  api.catalog.requireWritable(name.dataset);
  if (api.catalog.table(name) !== undefined) throw duplicate(`Table ${api.catalog.label(name)}`);
  await api.engine.use(async (connection) => {
    if (view !== undefined) await createView(connection, api, name, view);
    else await createTable(connection, api, name, schema?.fields ?? []);
  });
  const entry = api.catalog.requireTable(name);
  noteFields(entry, schema?.fields ?? []);
  entry.layout = { timePartitioning, clustering };
  applyNotes(entry, notes, Date.now());
  return api.engine.use((connection) => tableResource(connection, api, name, entry));
};

/** tables.patch: notes, and columns added at the end */
export const patchTable: Method = async (api, call) => {
  const name = tableName(call);
  const {
    tableReference: _,
    schema,
    view,
    timePartitioning: __,
    clustering,
    ...notes
  } = parseBody(tableSchema, call.body);
  if (view !== undefined) throw notImplemented("changes of a view's query by tables.patch");
  return api.engine.use(async (connection) => {
    api.catalog.requireWritable(name.dataset);
    const entry = api.catalog.requireTable(name);
    if (schema?.fields !== undefined) {
      const { fields } = schema;
      await api.engine.write(() => addColumns(connection, api, name, fields));
      noteFields(entry, fields);
    }
    if (clustering !== undefined) entry.layout = { ...entry.layout, clustering };
    applyNotes(entry, notes, Date.now());
    return tableResource(connection, api, name, entry);
  });
};

/** tables.delete */
export const deleteTable: Method = async (api, call) => {
  const name = tableName(call);
  await api.engine.write(async () => {
    api.catalog.requireWritable(name.dataset);
    const { type } = api.catalog.requireTable(name);
    await api.engine.use(async (connection) => {
      await connection.run(`DROP ${type} ${sqlName(name)}`);
      await api.catalog.refresh(connection, Date.now());
    });
  });
  return undefined;
};

export function tableName(call: Call): TableName {
  return { dataset: pathPart(call, "datasetId"), table: pathPart(call, "tableId") };
}

export function sqlName({ dataset, table }: TableName): string {
  return `${quoteIdentifier(dataset)}.${quoteIdentifier(table)}`;
}

async function createTable(
  connection: DuckDBConnection,
  api: Api,
  name: TableName,
  fields: readonly FieldSchema[],
): Promise<void> {
  // DuckDB has no tables without columns; in BigQuery they are of use only to uploads, which are not served.
  if (fields.length === 0) throw notImplemented("tables without a schema");
  const columns = fields.map(
    (field) => `${columnSql(field)}${field.mode?.toUpperCase() === "REQUIRED" ? " NOT NULL" : ""}`,
  );
  await api.engine.write(async () => {
    await runDdl(
      connection,
      `CREATE TABLE ${sqlName(name)} (${columns.join(", ")})`,
      api.catalog.label(name),
    );
    await api.catalog.refresh(connection, Date.now());
  });
}

async function createView(
  connection: DuckDBConnection,
  api: Api,
  { dataset, table }: TableName,
  view: { query: string; useLegacySql?: boolean | undefined },
): Promise<void> {
  if (view.useLegacySql !== false) throw notImplemented("views in legacy SQL; set useLegacySql to false");
  // A comment at the end of the query must not swallow anything, and a second statement is refused below.
  const text = `CREATE VIEW \`${dataset}\`.\`${table}\` AS ${view.query}\n`;
  const statements = compile(text, { project: api.project, defaultDataset: undefined, parameters: [] });
  if (statements.length !== 1) throw invalid("A view is defined by one query");
  const nowhere = { dataset: api.catalog.anonymousDataset, table: "" };
  await execute(connection, api.engine, api.catalog, statements, {
    destination: { table: nowhere, anonymous: true, write: "WRITE_EMPTY", create: "CREATE_NEVER" },
    maximumBytesBilled: undefined,
  });
}

async function addColumns(
  connection: DuckDBConnection,
  api: Api,
  name: TableName,
  fields: readonly FieldSchema[],
): Promise<void> {
  const existing = await api.catalog.columns(connection, name);
  for (const [index, column] of existing.entries()) {
    const field = fields[index];
    if (field?.name !== column.name || toDuckDBSql(fromFieldSchema(field)) !== toDuckDBSql(column.type)) {
      throw invalid(
        `Provided Schema does not match Table ${api.catalog.label(name)}. Column ${column.name} is missing or changed`,
      );
    }
  }
  for (const field of fields.slice(existing.length)) {
    if (field.mode?.toUpperCase() === "REQUIRED")
      throw invalid(`Cannot add required field ${field.name} to an existing schema`);
    await runDdl(
      connection,
      `ALTER TABLE ${sqlName(name)} ADD COLUMN ${columnSql(field)}`,
      api.catalog.label(name),
    );
  }
  api.catalog.touch(name, Date.now());
}

async function runDdl(connection: DuckDBConnection, sql: string, label: string): Promise<void> {
  try {
    await connection.run(sql);
  } catch (error) {
    throw fromDuckDBError(error, () => "[1:1]", `Table ${label}`);
  }
}

function columnSql(field: FieldSchema): string {
  return `${quoteIdentifier(field.name)} ${toDuckDBSql(fromFieldSchema(field))}`;
}

function noteFields(entry: TableEntry, fields: readonly FieldSchema[]): void {
  const described = fields.filter((field) => field.description !== undefined);
  entry.fieldDescriptions = new Map(described.map((field) => [field.name, field.description ?? ""]));
}

function identity(api: Api, name: TableName): object {
  return { id: api.catalog.label(name), tableReference: tableReference(api.catalog, name) };
}

async function tableResource(
  connection: DuckDBConnection,
  api: Api,
  name: TableName,
  entry: TableEntry,
): Promise<object> {
  const { rows, columns } = await api.catalog.sizes(connection, name);
  const bytes = [...columns.values()].reduce((sum, size) => sum + size, 0);
  const { dataset, table } = name;
  return {
    kind: "bigquery#table",
    ...identity(api, name),
    selfLink: `${api.url}/bigquery/v2/projects/${api.project}/datasets/${dataset}/tables/${table}`,
    ...notesOf(entry),
    schema: { fields: await api.catalog.fields(connection, name) },
    ...entry.layout,
    ...(entry.type === "VIEW" ? { view: { query: entry.definition, useLegacySql: false } } : {}),
    numRows: String(rows),
    numBytes: String(bytes),
    creationTime: String(entry.created),
    lastModifiedTime: String(entry.modified),
    type: entry.type,
    location: LOCATION,
  };
}
