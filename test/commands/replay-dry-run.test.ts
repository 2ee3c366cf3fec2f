import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { uuidv7 } from "../../src/recording/uuid.ts";
import {
  type ExchangeOptions,
  gatewayStarted,
  HandWrittenJournal,
  query,
  sessionStarted,
} from "../archive/support.ts";
import { Bench } from "../sandbox/support.ts";
import { bqtape } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const bench = Bench.forThisFile();
const limit = { timeout: 60_000 };
const SESSION = uuidv7();

test(
  "a statement that BigQuery would take is told with what it would process, now and then",
  limit,
  async () => {
    const { code, stdout } = await asked([said({ query: "SELECT name FROM shop.customers" })]);
    assert.match(
      stdout,
      /^1 .*\n\n {3}SELECT name\n {3}FROM shop\.customers\n\n.*\n {3}would run: SELECT, [\d.]+ k?B to process \(then 12\.3 kB\)$/m,
    );
    assert.match(stdout, /^1 statement: 1 would run$/m);
    assert.equal(code, 0);
  },
);

test(
  "a statement that worked then and would fail now is told with the error; exit code 1",
  limit,
  async () => {
    const { code, stdout } = await asked([
      said({ query: "SELECT * FROM shop.gone" }),
      said({ query: "SELECT 1" }),
    ]);
    assert.match(stdout, /would fail now: notFound: Not found: Table [^\n]*shop\.gone/);
    assert.match(stdout, /^2 statements: 1 would run, 1 would fail now$/m);
    assert.equal(code, 1);
  },
);

test("a statement that failed then, as it would now, is no reason for exit code 1", limit, async () => {
  const response = { error: { code: 404, message: "Not found", errors: [{ reason: "notFound" }] } };
  const failed = { ...said({ query: "SELECT * FROM shop.gone" }), status: 404, response };
  const { code, stdout } = await asked([failed]);
  assert.match(stdout, /would fail, as then: notFound/);
  assert.equal(code, 0);
});

test("dataset, parameters and dialect are as recorded", limit, async () => {
  const { code, stdout } = await asked([
    said({
      query: "SELECT name FROM customers WHERE customer_id = @id",
      defaultDataset: { datasetId: "shop" },
      queryParameters: [{ name: "id", parameterType: { type: "INT64" }, parameterValue: { value: "4" } }],
    }),
    { ...said({}), request: { query: "SELECT 1" } },
  ]);
  assert.match(stdout, /would run: SELECT/);
  // The stand-in has no legacy SQL, which BigQuery takes a statement for that does not say.
  assert.match(stdout, /would fail now: notImplemented: [^\n]*legacy SQL/);
  assert.equal(code, 1);
});

test(
  "nothing is run, whatever was recorded: no table, no row and no job is there that was not",
  limit,
  async () => {
    const before = await contents();
    const statements = [
      "CREATE TABLE shop.evil AS SELECT 1 AS a",
      "INSERT INTO shop.customers (customer_id, name) VALUES (1, 'x')",
      "DELETE FROM shop.customers WHERE true",
      "DROP TABLE shop.orders",
      "SELECT 1",
    ];
    const destinationTable = { projectId: bench.sandbox.project, datasetId: "shop", tableId: "evil" };
    const inserts = ["SELECT 1 AS a", "DELETE FROM shop.customers WHERE true"].map((sql) => ({
      ...said({}),
      ...{ sql, operation: { name: "jobs.insert", project: bench.sandbox.project } },
      request: {
        ...{ dryRun: false, jobReference: { jobId: "evil" } },
        configuration: {
          dryRun: false,
          query: {
            query: sql,
            useLegacySql: false,
            dryRun: false,
            ...(sql.startsWith("SELECT") && { destinationTable }),
          },
        },
      },
    }));
    const { stdout } = await asked([
      ...statements.map((sql) => said({ query: sql, dryRun: false })),
      ...inserts,
    ]);
    assert.match(stdout, /^7 statements: 7 would run$/m);
    assert.deepEqual(await contents(), before);
  },
);

test("what the gateway denied then is not asked about", limit, async () => {
  const { requested, completed } = query(said({ query: "SELECT 1" }));
  const { response: _, ...rest } = completed;
  const denied = {
    ...rest,
    ...({ type: "exchange.denied", outcome: "denied", status: 403, answeredBy: "gateway" } as const),
    error: { code: "policy", message: "no" },
    response: completed.response,
  };
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  journal.events({ ...requested, decision: { effect: "deny", rule: "r", reason: "no" } }, denied);
  const { code, stdout } = await run(dataDir);
  assert.match(stdout, /not asked: the gateway denied it then\n\n1 statement: 0 would run, 1 denied then\n$/);
  assert.equal(code, 0);
});

test("a request that was not kept whole cannot be asked about; exit code 1", limit, async () => {
  const dataDir = temporaryDirectory();
  const { requested, completed } = query(said({ query: "SELECT 1" }));
  new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION), requested, completed);
  const { code, stdout } = await run(dataDir);
  assert.match(
    stdout,
    /not asked: not all of its request can be read here\n\n1 statement: 0 would run, 1 not known\n/,
  );
  assert.equal(code, 1);
});

test("--json prints one object", limit, async () => {
  const statements = [said({ query: "SELECT 1" }), said({ query: "SELECT * FROM shop.gone" })];
  const { code, stdout } = await asked(statements, "--json");
  const printed = JSON.parse(stdout);
  assert.partialDeepStrictEqual(printed, {
    session: { id: SESSION },
    statements: [
      {
        sql: "SELECT 1",
        recorded: { state: "done", bytes: 12345 },
        today: { would: "run", outlook: "runs" },
      },
      { sql: "SELECT * FROM shop.gone", today: { would: "fail", reason: "notFound", outlook: "broken" } },
    ],
    counts: { runs: 1, broken: 1, fails: 0, denied: 0, unknown: 0 },
  });
  assert.equal(code, 1);
});

test("BigQuery out of reach is an error that says where it was sought", limit, async () => {
  const dataDir = recorded([said({ query: "SELECT 1" })]);
  const { code, stderr } = await run(dataDir, [], "http://127.0.0.1:1");
  assert.match(stderr, /BigQuery at http:\/\/127\.0\.0\.1:1 cannot be asked: .*Check upstream/);
  assert.equal(code, 1);
});

function said(body: Record<string, unknown>): ExchangeOptions {
  const { project } = bench.sandbox;
  return {
    ...{ session: SESSION, sql: String(body.query), operation: { project } },
    request: { useLegacySql: false, ...body },
  };
}

async function asked(statements: readonly ExchangeOptions[], ...args: string[]) {
  return await run(recorded(statements), args);
}

function recorded(statements: readonly ExchangeOptions[]): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (const [index, statement] of statements.entries())
    journal.exchange(query({ ...statement, time: 2_000 + index }));
  return dataDir;
}

async function run(dataDir: string, args: readonly string[] = [], origin = bench.sandbox.url) {
  const { keyFile, caFile } = bench.sandbox;
  const config = join(temporaryDirectory(), "bqtape.json");
  const settings = {
    credential: { type: "service-account", keyFile },
    upstream: { overrides: { "bigquery.googleapis.com": origin }, caFile },
  };
  writeFileSync(config, JSON.stringify(settings));
  const command = ["replay", SESSION, "--dry-run", "--config", config, "--data-dir", dataDir, ...args];
  return await bqtape(command);
}

/** All tables with their rows, and how many jobs there are. */
async function contents() {
  const client = bench.client();
  const [tables] = await client.dataset("shop").getTables();
  const metadata = await Promise.all(tables.map(async (table) => (await table.getMetadata())[0]));
  const [jobs] = await client.getJobs();
  return { tables: metadata.map(({ id, numRows }) => [id, numRows]).sort(), jobs: jobs.length };
}
