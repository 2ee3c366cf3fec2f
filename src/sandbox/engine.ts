import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBValue,
  StatementType,
} from "@duckdb/node-api";
import { invalidQuery } from "./errors.ts";
import { HELPER_MACROS, MACROS } from "./googlesql/functions.ts";
import { INFORMATION_SCHEMA_VIEWS } from "./googlesql/tables.ts";
import { Slots } from "./slots.ts";

/** What all tables, results included, may take of memory. Beyond it a statement fails with `resourcesExceeded`. */
const MEMORY_LIMIT = "1GiB";

/** Statements of GoogleSQL as DuckDB classes them. Everything else stays out, even if rewriting should let it through. */
const ALLOWED: ReadonlySet<StatementType> = new Set([
  StatementType.SELECT,
  StatementType.INSERT,
  StatementType.UPDATE,
  StatementType.DELETE,
  StatementType.MERGE_INTO,
  StatementType.CREATE,
  StatementType.DROP,
  StatementType.ALTER,
]);

/** The names that GoogleSQL has for DuckDB's types, for `INFORMATION_SCHEMA.COLUMNS`. */
const TYPE_NAME_MACRO = `bq_type_name(name) AS CASE
  WHEN name IN ('BIGINT', 'INTEGER', 'HUGEINT', 'SMALLINT', 'TINYINT') THEN 'INT64'
  WHEN name IN ('DOUBLE', 'FLOAT') THEN 'FLOAT64'
  WHEN name = 'VARCHAR' THEN 'STRING'
  WHEN name = 'BOOLEAN' THEN 'BOOL'
  WHEN name = 'BLOB' THEN 'BYTES'
  WHEN name = 'TIMESTAMP WITH TIME ZONE' THEN 'TIMESTAMP'
  WHEN name = 'TIMESTAMP' THEN 'DATETIME'
  WHEN name LIKE 'DECIMAL%' THEN 'NUMERIC'
  WHEN name LIKE '%[]' THEN 'ARRAY'
  WHEN name LIKE 'STRUCT%' THEN 'STRUCT'
  ELSE name END`;

/**
 * An in-memory DuckDB that can reach nothing outside of itself: no file, no network, no extension, and no statement can
 * change that.
 */
export class Engine {
  readonly #instance: DuckDBInstance;
  readonly #connections = new Set<DuckDBConnection>();
  readonly #writers = new Slots(1);
  /** Callers of `use`, those included whose connection is still being made. */
  #users = 0;
  #closed = false;

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  /** @param prepare Runs before the lock goes on. */
  static async open(prepare: (connection: DuckDBConnection) => Promise<void>): Promise<Engine> {
    const instance = await DuckDBInstance.create(":memory:", {
      // First: without external access it cannot be set any more.
      temp_directory: "",
      enable_external_access: "false",
      autoload_known_extensions: "false",
      autoinstall_known_extensions: "false",
      allow_community_extensions: "false",
      memory_limit: MEMORY_LIMIT,
      // One engine among others on the machine: tests run several at once.
      threads: "2",
      // GoogleSQL sorts NULL before all values.
      default_null_order: "nulls_first_on_asc_last_on_desc",
      errors_as_json: "true",
    });
    const engine = new Engine(instance);
    try {
      await engine.use(async (connection) => {
        await connection.run("SET GLOBAL TimeZone = 'UTC'");
        for (const [name, body] of Object.entries(HELPER_MACROS))
          await connection.run(`CREATE MACRO ${name}${body}`);
        for (const [name, body] of Object.entries(MACROS))
          await connection.run(`CREATE MACRO bq_${name}${body}`);
        await connection.run(`CREATE MACRO ${TYPE_NAME_MACRO}`);
        for (const [name, query] of Object.entries(INFORMATION_SCHEMA_VIEWS)) {
          await connection.run(`CREATE VIEW "bq_${name}" AS ${query}`);
        }
        await prepare(connection);
        await connection.run("SET GLOBAL lock_configuration = true");
      });
    } catch (error) {
      engine.close();
      throw error;
    }
    return engine;
  }

  /** Runs `work` with a connection of its own. */
  async use<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Error("the engine is closed");
    this.#users++;
    try {
      const connection = await this.#instance.connect();
      this.#connections.add(connection);
      try {
        return await work(connection);
      } finally {
        this.#connections.delete(connection);
        connection.closeSync();
      }
    } finally {
      this.#users--;
      this.#release();
    }
  }

  /** Writers take turns, as BigQuery queues what changes one table; DuckDB would let the second of two fail. */
  write<T>(work: () => Promise<T>): Promise<T> {
    return this.#writers.run(work);
  }

  /** Interrupts what runs, and frees the memory when the last of it has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of this.#connections) connection.interrupt();
    this.#release();
  }

  #release(): void {
    if (this.#closed && this.#users === 0) this.#instance.closeSync();
  }
}

/**
 * Prepares the one statement in `sql`.
 *
 * @throws DuckDB's error, which {@link fromDuckDBError} translates; {ApiError} for a statement that is not GoogleSQL's.
 */
export async function prepare(
  connection: DuckDBConnection,
  sql: string,
  bindings: Record<string, string>,
): Promise<DuckDBPreparedStatement> {
  const statements = await connection.extractStatements(sql);
  if (statements.count !== 1) throw invalidQuery("The bqtape sandbox does not take this statement");
  const prepared = await statements.prepare(0);
  if (!ALLOWED.has(prepared.statementType)) {
    throw invalidQuery("The bqtape sandbox does not take this statement");
  }
  if (Object.keys(bindings).length > 0) prepared.bind(bindings);
  return prepared;
}

/** The rows of a query of the sandbox's own. */
export async function rowsOf(
  connection: DuckDBConnection,
  sql: string,
  bindings?: Record<string, DuckDBValue>,
): Promise<DuckDBValue[][]> {
  return (await connection.runAndReadAll(sql, bindings)).getRows();
}
