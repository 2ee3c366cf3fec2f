import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Bench, type Json } from "./support.ts";

const bench = Bench.forThisFile({ rows: 200 });

async function dryRun(query: string, configuration: object = {}): Promise<Json> {
  const { status, body } = await bench.call("POST", "/jobs", {
    configuration: { dryRun: true, query: { query, useLegacySql: false, ...configuration } },
  });
  return { code: status, ...body };
}

const table = (tableId: string) => ({ projectId: "demo-project", datasetId: "shop", tableId });

suite("a dry run tells what a statement would do", { timeout: 30_000 }, () => {
  test("of a SELECT: type, tables, schema, bytes", async () => {
    const { code, statistics } = await dryRun(
      "SELECT email, COUNT(*) AS n FROM shop.orders JOIN shop.customers USING (customer_id) GROUP BY email",
    );
    assert.equal(code, 200);
    assert.equal(statistics.query.statementType, "SELECT");
    assert.deepEqual(statistics.query.referencedTables, [table("orders"), table("customers")]);
    assert.deepEqual(statistics.query.schema.fields, [
      { name: "email", type: "STRING", mode: "NULLABLE" },
      { name: "n", type: "INTEGER", mode: "NULLABLE" },
    ]);
    assert.ok(Number(statistics.totalBytesProcessed) > 0);
    assert.equal(statistics.query.totalBytesProcessed, statistics.totalBytesProcessed);
  });

  test("bytes are those of the columns that are named, whatever the rows", async () => {
    const bytes = async (sql: string) => Number((await dryRun(sql)).statistics.totalBytesProcessed);
    const id = await bytes("SELECT order_id FROM shop.orders");
    assert.equal(id, 200 * 8);
    assert.equal(await bytes("SELECT order_id FROM shop.orders WHERE order_id = 1 LIMIT 1"), id);
    assert.equal(await bytes("SELECT COUNT(*) FROM shop.orders"), 0);
    const { body } = await bench.call("GET", "/datasets/shop/tables/orders");
    assert.equal(await bytes("SELECT * FROM shop.orders"), Number(body.numBytes));
  });

  test("a table behind a view is a table that is read", async () => {
    await bench.query("CREATE VIEW shop.mails AS SELECT email FROM shop.customers");
    const { statistics } = await dryRun("SELECT * FROM shop.mails");
    assert.deepEqual(statistics.query.referencedTables, [table("customers")]);
    assert.ok(Number(statistics.totalBytesProcessed) > 0);
  });

  test("names of WITH and of arrays are no tables", async () => {
    const { statistics } = await dryRun(
      "WITH orders AS (SELECT 1 AS n) SELECT o.n, x FROM orders AS o, UNNEST([1, 2]) AS x WHERE EXTRACT(YEAR FROM CURRENT_DATE()) > 1",
    );
    assert.deepEqual(statistics.query.referencedTables, []);
  });

  const statements: [sql: string, type: string, tables: string[]][] = [
    [
      "INSERT INTO shop.orders (order_id, customer_id) SELECT customer_id, 1 FROM shop.customers",
      "INSERT",
      ["customers"],
    ],
    ["UPDATE shop.orders SET product = 'x' WHERE TRUE", "UPDATE", ["orders"]],
    [
      "DELETE FROM shop.orders WHERE customer_id IN (SELECT customer_id FROM shop.customers)",
      "DELETE",
      ["customers", "orders"],
    ],
    [
      "MERGE shop.orders o USING shop.customers c ON o.customer_id = c.customer_id WHEN MATCHED THEN DELETE",
      "MERGE",
      ["customers", "orders"],
    ],
    ["TRUNCATE TABLE shop.orders", "TRUNCATE_TABLE", []],
    ["CREATE TABLE shop.fresh (a INT64)", "CREATE_TABLE", []],
    ["CREATE TABLE shop.fresh AS SELECT email FROM shop.customers", "CREATE_TABLE_AS_SELECT", ["customers"]],
    ["CREATE OR REPLACE VIEW shop.fresh AS SELECT email FROM shop.customers", "CREATE_VIEW", ["customers"]],
    ["ALTER TABLE shop.orders ADD COLUMN note STRING", "ALTER_TABLE", []],
    ["DROP TABLE shop.orders", "DROP_TABLE", []],
    ["CREATE SCHEMA fresh", "CREATE_SCHEMA", []],
    ["DROP SCHEMA shop CASCADE", "DROP_SCHEMA", []],
    ["SELECT 1; SELECT email FROM shop.customers", "SCRIPT", ["customers"]],
  ];
  for (const [sql, type, tables] of statements) {
    test(`of ${type}, and nothing is written`, async () => {
      const { code, statistics } = await dryRun(sql);
      assert.equal(code, 200);
      assert.equal(statistics.query.statementType, type);
      assert.deepEqual(
        statistics.query.referencedTables.map((each: { tableId: string }) => each.tableId),
        tables,
      );
      assert.deepEqual(await bench.rows("SELECT COUNT(*), COUNTIF(product = 'x') FROM shop.orders"), [
        ["200", "0"],
      ]);
      assert.equal((await bench.call("GET", "/datasets/shop/tables/fresh")).status, 404);
      assert.equal((await bench.call("GET", "/datasets/fresh")).status, 404);
    });
  }

  test("of DDL: what it would do, and to what", async () => {
    const { query } = (await dryRun("DROP TABLE shop.orders")).statistics;
    assert.equal(query.ddlOperationPerformed, "DROP");
    assert.deepEqual(query.ddlTargetTable, table("orders"));
    const schema = (await dryRun("CREATE SCHEMA fresh")).statistics.query;
    assert.deepEqual(schema.ddlTargetDataset, { projectId: "demo-project", datasetId: "fresh" });
  });

  test("of DML, and of a SELECT that writes: the destination", async () => {
    const insert = await dryRun("INSERT INTO shop.orders (order_id, customer_id) VALUES (1, 1)");
    assert.deepEqual(insert.configuration.query.destinationTable, table("orders"));
    const select = await dryRun("SELECT 1 AS a", {
      destinationTable: table("copy"),
      writeDisposition: "WRITE_TRUNCATE",
    });
    assert.deepEqual(select.configuration.query.destinationTable, table("copy"));
    assert.equal((await bench.call("GET", "/datasets/shop/tables/copy")).status, 404);
  });

  test("it is an error if the statement would be one", async () => {
    const { code, error } = await dryRun("SELECT nope FROM shop.orders");
    assert.equal(code, 400);
    assert.equal(error.errors[0].reason, "invalidQuery");
  });

  test("it leaves no job", async () => {
    const before = (await bench.call("GET", "/jobs?maxResults=1000")).body.jobs.length;
    const { jobReference } = await dryRun("SELECT 1");
    assert.equal(jobReference.jobId, undefined);
    assert.equal((await bench.call("GET", "/jobs?maxResults=1000")).body.jobs.length, before);
  });

  test("jobs.query does it, too, with schema and bytes in its own answer", async () => {
    const { status, body } = await bench.query("SELECT order_id FROM shop.orders", { dryRun: true });
    assert.equal(status, 200);
    assert.equal(body.jobComplete, true);
    assert.equal(body.totalBytesProcessed, "1600");
    assert.equal(body.schema.fields[0].name, "order_id");
    assert.equal(body.jobReference.jobId, undefined);
    assert.equal(body.rows, undefined);
  });

  test("the real client's dry run works", async () => {
    const [job] = await bench
      .client()
      .createQueryJob({ query: "SELECT order_id FROM shop.orders", dryRun: true });
    assert.equal(job.metadata.statistics.totalBytesProcessed, "1600");
  });
});
