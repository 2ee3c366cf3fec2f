import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Bench } from "./support.ts";

const bench = Bench.forThisFile({ rows: 2000 });

/** Some 40 billion pairs: minutes of work, if it is let. */
const ENDLESS =
  "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 200000)) AS a, UNNEST(GENERATE_ARRAY(1, 200000)) AS b WHERE a * b > 7";

suite("a job keeps what was asked and what came of it", { timeout: 60_000 }, () => {
  test("labels, the account, times, statistics", async () => {
    const job = await bench.job(
      "SELECT customer_id FROM shop.customers",
      {},
      { labels: { team: "red", run: "" } },
    );
    const key = bench.sandbox.project;
    assert.deepEqual(job.configuration.labels, { team: "red", run: "" });
    assert.equal(job.configuration.query.query, "SELECT customer_id FROM shop.customers");
    assert.equal(job.user_email, `bqtape@${key}.iam.gserviceaccount.com`);
    assert.deepEqual(job.status, { state: "DONE" });
    const { creationTime, startTime, endTime, totalBytesProcessed, query } = job.statistics;
    assert.ok(Number(creationTime) <= Number(startTime) && Number(startTime) <= Number(endTime));
    assert.equal(totalBytesProcessed, "800");
    assert.equal(query.totalBytesBilled, "10485760");
    assert.equal(query.cacheHit, false);
    assert.equal(query.statementType, "SELECT");
  });

  test("labels that BigQuery would not take are refused", async () => {
    for (const labels of [{ Team: "red" }, { "1a": "x" }, { a: "Red" }, { a: "x".repeat(64) }, { "": "x" }]) {
      assert.equal((await bench.query("SELECT 1", { labels })).status, 400, JSON.stringify(labels));
    }
  });

  test("a query that fails is a job that has failed, and getQueryResults says why", async () => {
    const job = await bench.job("SELECT * FROM shop.nope");
    assert.equal(job.status.state, "DONE");
    assert.equal(job.status.errorResult.reason, "notFound");
    const results = await bench.call("GET", `/queries/${job.jobReference.jobId}`);
    assert.equal(results.status, 404);
    assert.equal(results.body.error.message, job.status.errorResult.message);
  });

  test("DML: how many rows, of which table", async () => {
    const { statistics, configuration } = await bench.job(
      "UPDATE shop.orders SET product = 'sail' WHERE order_id <= 3",
    );
    assert.equal(statistics.query.numDmlAffectedRows, "3");
    assert.deepEqual(statistics.query.dmlStats, { updatedRowCount: "3" });
    assert.equal(configuration.query.destinationTable.tableId, "orders");
  });

  test("DDL: what was done to what", async () => {
    const operation = async (sql: string) => (await bench.job(sql)).statistics.query.ddlOperationPerformed;
    assert.equal(await operation("CREATE TABLE IF NOT EXISTS shop.things (a INT64)"), "CREATE");
    assert.equal(await operation("CREATE TABLE IF NOT EXISTS shop.things (a INT64)"), "SKIP");
    assert.equal(await operation("CREATE OR REPLACE TABLE shop.things AS SELECT 1 AS a"), "REPLACE");
    assert.equal(await operation("ALTER TABLE shop.things ADD COLUMN b STRING"), "ALTER");
    assert.equal(await operation("DROP TABLE shop.things"), "DROP");
    assert.equal(await operation("DROP TABLE IF EXISTS shop.things"), "SKIP");
  });

  test("statements of a script run in order, and the last SELECT is the result", async () => {
    const script =
      "CREATE TABLE shop.s (a INT64); INSERT INTO shop.s (a) VALUES (1), (2); SELECT SUM(a) AS n FROM shop.s; DROP TABLE shop.s;";
    assert.deepEqual(await bench.rows(script), [["3"]]);
    assert.equal((await bench.job(script)).statistics.query.statementType, "SCRIPT");
  });

  test("a job id can be had once", async () => {
    const request = {
      jobReference: { jobId: "only_once" },
      configuration: { query: { query: "SELECT 1", useLegacySql: false } },
    };
    assert.equal((await bench.call("POST", "/jobs", request)).status, 200);
    const again = await bench.call("POST", "/jobs", request);
    assert.equal(again.status, 409);
    assert.equal(again.body.error.errors[0].reason, "duplicate");
  });

  test("a requestId that comes again is the same job: the rows are inserted once", async () => {
    const insert = "INSERT INTO shop.orders (order_id, customer_id) VALUES (777001, 1)";
    const first = await bench.query(insert, { requestId: "r-1" });
    const second = await bench.query(insert, { requestId: "r-1" });
    assert.deepEqual(second.body.jobReference, first.body.jobReference);
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM shop.orders WHERE order_id = 777001"), [["1"]]);
  });

  test("where a job is optional, a small result makes none; a large one does", async () => {
    const small = await bench.query("SELECT 1", { jobCreationMode: "JOB_CREATION_OPTIONAL" });
    assert.equal(small.body.jobReference, undefined);
    assert.equal((await bench.call("GET", `/jobs/${small.body.queryId}`)).status, 404);
    const large = await bench.query("SELECT order_id FROM shop.orders", {
      jobCreationMode: "JOB_CREATION_OPTIONAL",
      maxResults: 10,
    });
    assert.equal(large.body.jobCreationReason.code, "LARGE_RESULTS");
    assert.equal((await bench.call("GET", `/jobs/${large.body.jobReference.jobId}`)).status, 200);
  });

  test("maximumBytesBilled stops a query that would cost more", async () => {
    const job = await bench.job("SELECT * FROM shop.orders", { maximumBytesBilled: "1000" });
    assert.equal(job.status.errorResult.reason, "bytesBilledLimitExceeded");
  });

  test("a deleted job is forgotten, and its result with it", async () => {
    const { jobReference, configuration } = await bench.job("SELECT 1 AS a");
    const { datasetId, tableId } = configuration.query.destinationTable;
    assert.equal((await bench.call("DELETE", `/jobs/${jobReference.jobId}/delete`)).status, 204);
    assert.equal((await bench.call("GET", `/jobs/${jobReference.jobId}`)).status, 404);
    assert.equal((await bench.call("GET", `/datasets/${datasetId}/tables/${tableId}/data`)).status, 404);
  });
});

suite("results are tables", { timeout: 60_000 }, () => {
  test("an anonymous one is read by tabledata.list, page by page, without a schema", async () => {
    const { configuration } = await bench.job(
      "SELECT order_id, product FROM shop.orders ORDER BY order_id LIMIT 100",
    );
    const { datasetId, tableId } = configuration.query.destinationTable;
    assert.match(datasetId, /^_[0-9a-f]+$/);
    assert.match(tableId, /^anon[0-9a-f]+$/);
    const path = `/datasets/${datasetId}/tables/${tableId}/data?maxResults=60`;
    const first = await bench.call("GET", path);
    assert.equal(first.body.totalRows, "100");
    assert.equal(first.body.schema, undefined);
    const second = await bench.call("GET", `${path}&pageToken=${first.body.pageToken}`);
    assert.equal(second.body.pageToken, undefined);
    const ids = [...first.body.rows, ...second.body.rows].map((row) => Number(row.f[0].v));
    assert.deepEqual(
      ids,
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
  });

  test("the dataset of anonymous ones is in no list, and nobody writes to it", async () => {
    const { configuration } = await bench.job("SELECT 1 AS a");
    const { datasetId, tableId } = configuration.query.destinationTable;
    const { body } = await bench.call("GET", "/datasets");
    assert.ok(!JSON.stringify(body).includes(datasetId));
    assert.equal((await bench.query(`DELETE FROM \`${datasetId}.${tableId}\` WHERE TRUE`)).status, 400);
    const rows = { rows: [{ json: { a: 2 } }] };
    assert.equal(
      (await bench.call("POST", `/datasets/${datasetId}/tables/${tableId}/insertAll`, rows)).status,
      400,
    );
  });

  test("a destination table is written by its disposition", async () => {
    const destinationTable = { projectId: "demo-project", datasetId: "shop", tableId: "kept" };
    const write = (writeDisposition?: string) =>
      bench.job("SELECT 1 AS a", {
        destinationTable,
        ...(writeDisposition === undefined ? {} : { writeDisposition }),
      });
    const count = () => bench.rows("SELECT COUNT(*) FROM shop.kept");
    assert.equal((await write()).status.errorResult, undefined);
    assert.equal((await write()).status.errorResult.reason, "duplicate");
    await write("WRITE_APPEND");
    assert.deepEqual(await count(), [["2"]]);
    await write("WRITE_TRUNCATE");
    assert.deepEqual(await count(), [["1"]]);
  });
});

suite("jobs can be listed and cancelled", { timeout: 60_000 }, () => {
  test("the latest first, in pages, with their configuration only when it is asked for", async () => {
    await bench.job("SELECT 'older'");
    const { jobReference } = await bench.job("SELECT 'newer'", {}, { labels: { k: "v" } });
    const first = await bench.call("GET", "/jobs?maxResults=1");
    assert.deepEqual(first.body.jobs[0].jobReference, jobReference);
    assert.equal(first.body.jobs[0].configuration, undefined);
    const full = await bench.call("GET", "/jobs?maxResults=1&projection=full");
    assert.deepEqual(full.body.jobs[0].configuration.labels, { k: "v" });
    const second = await bench.call(
      "GET",
      `/jobs?maxResults=1&projection=full&pageToken=${first.body.nextPageToken}`,
    );
    assert.equal(second.body.jobs[0].configuration.query.query, "SELECT 'older'");
  });

  test("a running job says so, does not hold up an answer past its timeout, and ends when it is cancelled", async () => {
    const { status, body } = await bench.query(ENDLESS, { timeoutMs: 1 });
    assert.equal(status, 200);
    assert.equal(body.jobComplete, false);
    const { jobId } = body.jobReference;
    const running = await bench.call("GET", "/jobs?stateFilter=running");
    assert.deepEqual(
      running.body.jobs.map((job: { jobReference: { jobId: string } }) => job.jobReference.jobId),
      [jobId],
    );
    const waited = await bench.call("GET", `/queries/${jobId}?timeoutMs=1`);
    assert.equal(waited.body.jobComplete, false);
    const cancelled = await bench.call("POST", `/jobs/${jobId}/cancel`);
    assert.equal(cancelled.body.kind, "bigquery#jobCancelResponse");
    const results = await bench.call("GET", `/queries/${jobId}`);
    assert.equal(results.body.error.errors[0].reason, "stopped");
    assert.equal((await bench.call("GET", `/jobs/${jobId}`)).body.status.errorResult.reason, "stopped");
  });

  test("the real client can cancel a job of its own", async () => {
    const [job] = await bench.client().createQueryJob({ query: ENDLESS });
    await job.cancel();
    await assert.rejects(job.getQueryResults(), /cancelled/);
  });

  test("a job that there is not is 404", async () => {
    for (const [method, path] of [
      ["GET", "/jobs/nope"],
      ["POST", "/jobs/nope/cancel"],
      ["GET", "/queries/nope"],
      ["DELETE", "/jobs/nope/delete"],
    ] as const) {
      const { status, body } = await bench.call(method, path);
      assert.equal(status, 404);
      assert.equal(body.error.errors[0].reason, "notFound");
    }
  });
});
