import type { DuckDBConnection } from "@duckdb/node-api";
import { type Analysis, analyse, resultSchema, targetLabel } from "./analysis.ts";
import type { Catalog } from "./catalog.ts";
import { type Engine, prepare, rowsOf } from "./engine.ts";
import { fromDuckDBError } from "./engine-errors.ts";
import { ApiError, duplicate, invalidQuery } from "./errors.ts";
import { type Compiled, type CompileOptions, compile } from "./googlesql/compile.ts";
import type { StatementKind, Target } from "./googlesql/statement-kind.ts";
import type { TableName } from "./googlesql/tables.ts";
import { quoteIdentifier } from "./googlesql/tokens.ts";
import type { FieldSchema } from "./sql-types.ts";

/** What a query did, or in a dry run would do. */
export interface Outcome {
  kind: StatementKind | "SCRIPT" | "LOAD";
  referencedTables: TableName[];
  bytes: number;
  schema?: FieldSchema[] | undefined;
  /** The table that holds a SELECT's rows, or that DML changed. */
  destination?: TableName | undefined;
  /** Rows of the result; none for DML and DDL. */
  totalRows?: number | undefined;
  affectedRows?: number | undefined;
  /** What a load job read. */
  loaded?: { rows: number; inputBytes: number } | undefined;
  ddl?: { operation: "CREATE" | "REPLACE" | "SKIP" | "DROP" | "ALTER"; target: Target } | undefined;
}

/** Where a SELECT's rows go. */
export interface Destination {
  table: TableName;
  anonymous: boolean;
  write: "WRITE_EMPTY" | "WRITE_TRUNCATE" | "WRITE_APPEND";
  create: "CREATE_IF_NEEDED" | "CREATE_NEVER";
}

export interface ExecuteOptions {
  destination: Destination;
  maximumBytesBilled: number | undefined;
}

/** 1 MiB: what BigQuery rounds billed bytes up to. */
const BILLING_UNIT = 2 ** 20;

/** What BigQuery bills at least, for each table ("Pricing", On-demand compute). */
const LEAST_BILLED = 10 * BILLING_UNIT;

export function bytesBilled(outcome: Pick<Outcome, "bytes" | "referencedTables">): number {
  if (outcome.bytes === 0) return 0;
  const rounded = Math.ceil(outcome.bytes / BILLING_UNIT) * BILLING_UNIT;
  return Math.max(rounded, LEAST_BILLED * outcome.referencedTables.length);
}

/** A dry run: every statement is analysed, none runs, so one that needs what another would create fails. */
export async function dryRun(
  engine: Engine,
  catalog: Catalog,
  statements: readonly Compiled[],
): Promise<Outcome> {
  return engine.use(async (connection) => {
    const outcomes: Outcome[] = [];
    for (const statement of statements) {
      const analysis = await analyse(connection, catalog, statement);
      outcomes.push({
        ...known(statement, analysis),
        ddl:
          statement.target && isDdl(statement.kind)
            ? ddl(catalog, statement.kind, statement.target)
            : undefined,
      });
    }
    return combine(outcomes);
  });
}

/** What a query job does. */
export function queryWork(
  { engine, catalog }: { engine: Engine; catalog: Catalog },
  options: CompileOptions & { text: string },
  maximumBytesBilled: number | undefined,
): (connection: DuckDBConnection, destination: Destination) => Promise<Outcome> {
  return async (connection, destination) => {
    const statements = compile(options.text, options);
    if (!destination.anonymous) requireSingle(statements, "destination table");
    return execute(connection, engine, catalog, statements, { destination, maximumBytesBilled });
  };
}

/** Runs the statements in order; what the ones before a failure did stays done. */
export async function execute(
  connection: DuckDBConnection,
  engine: Engine,
  catalog: Catalog,
  statements: readonly Compiled[],
  options: ExecuteOptions,
): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const statement of statements) {
    const analysis = await analyse(connection, catalog, statement);
    const outcome = known(statement, analysis);
    const limit = options.maximumBytesBilled;
    const billed = bytesBilled(outcome);
    if (limit !== undefined && billed > limit) {
      throw new ApiError(
        400,
        "bytesBilledLimitExceeded",
        `Query exceeded limit for bytes billed: ${limit}. ${billed} or higher required.`,
      );
    }
    outcomes.push(await run(connection, engine, catalog, statement, analysis, outcome, options.destination));
  }
  return combine(outcomes);
}

function known(statement: Compiled, analysis: Analysis): Outcome {
  const { target, kind } = statement;
  const { columns } = analysis;
  return {
    kind,
    referencedTables: analysis.referencedTables,
    bytes: analysis.bytes,
    schema: columns === undefined ? undefined : resultSchema(columns),
    destination:
      target?.table !== undefined && !isDdl(kind)
        ? { dataset: target.dataset, table: target.table }
        : undefined,
  };
}

/** A script has the result of its last SELECT, and the sum of the rest. */
function combine(outcomes: readonly Outcome[]): Outcome {
  const [only] = outcomes;
  if (only !== undefined && outcomes.length === 1) return only;
  const result = outcomes.findLast((outcome) => outcome.kind === "SELECT");
  const tables = new Map<string, TableName>();
  for (const { referencedTables } of outcomes) {
    for (const table of referencedTables) tables.set(`${table.dataset}.${table.table}`, table);
  }
  return {
    kind: "SCRIPT",
    referencedTables: [...tables.values()],
    bytes: outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0),
    schema: result?.schema,
    destination: result?.destination,
    totalRows: result?.totalRows,
  };
}

async function run(
  connection: DuckDBConnection,
  engine: Engine,
  catalog: Catalog,
  statement: Compiled,
  analysis: Analysis,
  outcome: Outcome,
  destination: Destination,
): Promise<Outcome> {
  if (statement.kind === "SELECT") {
    if (destination.anonymous) return select(connection, catalog, statement, analysis, outcome, destination);
    return engine.write(() => select(connection, catalog, statement, analysis, outcome, destination));
  }
  return engine.write(async () => {
    const { target, kind } = statement;
    const change = target !== undefined && isDdl(kind) ? ddl(catalog, kind, target) : undefined;
    let affectedRows: number | undefined;
    try {
      const result = await analysis.prepared.run();
      if (!isDdl(kind)) affectedRows = result.rowsChanged;
    } catch (error) {
      throw fromDuckDBError(error, statement.place, targetLabel(catalog, statement));
    }
    await noteChange(connection, catalog, statement);
    return { ...outcome, affectedRows, ddl: change };
  });
}

async function noteChange(
  connection: DuckDBConnection,
  catalog: Catalog,
  statement: Compiled,
): Promise<void> {
  const { target, kind, definition, tables } = statement;
  const now = Date.now();
  if (isDdl(kind)) await catalog.refresh(connection, now);
  if (target?.table === undefined) return;
  const name = { dataset: target.dataset, table: target.table };
  catalog.touch(name, now);
  const entry = catalog.table(name);
  if (entry !== undefined && kind === "CREATE_VIEW") Object.assign(entry, { definition, sources: tables });
}

/** Stores the rows in a table, from which pages are read: a result of any size costs the process no memory of its own. */
async function select(
  connection: DuckDBConnection,
  catalog: Catalog,
  statement: Compiled,
  analysis: Analysis,
  outcome: Outcome,
  { table, write, create, anonymous }: Destination,
): Promise<Outcome> {
  const columns = analysis.columns ?? [];
  const name = `${quoteIdentifier(table.dataset)}.${quoteIdentifier(table.table)}`;
  if (!anonymous) catalog.requireWritable(table.dataset);
  const exists = catalog.table(table) !== undefined;
  if (!exists && create === "CREATE_NEVER") catalog.requireTable(table);
  if (exists && write === "WRITE_EMPTY" && (await catalog.sizes(connection, table)).rows > 0) {
    throw duplicate(`Table ${catalog.label(table)}`);
  }
  const list = columns.map((column) => quoteIdentifier(column.name)).join(", ");
  const prefix =
    exists && write === "WRITE_APPEND"
      ? `INSERT INTO ${name} (${list}) `
      : `CREATE OR REPLACE TABLE ${name} (${list}) AS `;
  try {
    const storing = await prepare(connection, prefix + statement.sql, statement.bindings);
    await storing.run();
  } catch (error) {
    const before = Buffer.byteLength(prefix);
    throw fromDuckDBError(error, (offset) => statement.place(Math.max(0, offset - before)));
  }
  await catalog.refresh(connection, Date.now());
  catalog.touch(table, Date.now());
  const [row = []] = await rowsOf(connection, `SELECT count(*) FROM ${name}`);
  return { ...outcome, destination: table, totalRows: Number(row[0]) };
}

function isDdl(kind: StatementKind): boolean {
  return /^(?:CREATE|DROP|ALTER)_/.test(kind);
}

function ddl(catalog: Catalog, kind: StatementKind, target: Target): Outcome["ddl"] {
  const { dataset, table } = target;
  const exists =
    table === undefined
      ? catalog.dataset(dataset) !== undefined
      : catalog.table({ dataset, table }) !== undefined;
  if (kind.startsWith("DROP")) return { operation: exists ? "DROP" : "SKIP", target };
  if (kind.startsWith("ALTER")) return { operation: exists ? "ALTER" : "SKIP", target };
  if (exists && target.ifNotExists) return { operation: "SKIP", target };
  return { operation: exists ? "REPLACE" : "CREATE", target };
}

/** Refuses what only one statement can have. */
function requireSingle(statements: readonly Compiled[], what: string): void {
  if (statements.length !== 1) throw invalidQuery(`${what} cannot be set for a script`);
  if (statements[0]?.kind !== "SELECT")
    throw invalidQuery(`Cannot set ${what} in jobs with DML or DDL statements`);
}
