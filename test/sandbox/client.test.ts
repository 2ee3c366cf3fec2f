import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { QueryResultsOptions, QueryRowsResponse } from "@google-cloud/bigquery";
import { Bench } from "./support.ts";

const bench = Bench.forThisFile();

suite("the real @google-cloud/bigquery client works with the sandbox", { timeout: 60_000 }, () => {
  test("a query gives rows with the client's own types", async () => {
    const [rows] = await bench.client().query(
      `SELECT 1 AS i, 1.5 AS f, 'é' AS s, TRUE AS b, NUMERIC '1.50' AS n, DATE '2024-01-02' AS d,
         TIMESTAMP '2024-01-02 03:04:05.678901 UTC' AS ts, b'\\x00\\xff' AS y, [1, 2] AS a, STRUCT(1 AS x, 'z' AS y) AS r, NULL AS o`,
    );
    const [row] = rows;
    assert.deepEqual([row.i, row.f, row.s, row.b, row.o], [1, 1.5, "é", true, null]);
    assert.equal(row.n.toString(), "1.5");
    assert.equal(row.d.value, "2024-01-02");
    assert.equal(row.ts.value, "2024-01-02T03:04:05.678901000Z");
    assert.deepEqual([...row.y], [0, 255]);
    assert.deepEqual(row.a, [1, 2]);
    assert.deepEqual(row.r, { x: 1, y: "z" });
  });

  test("named parameters of every kind arrive as values, never as SQL", async () => {
    const client = bench.client();
    const params = {
      i: 7,
      f: 1.25,
      s: 'it\'s "quoted"; DROP TABLE shop.orders --',
      b: false,
      d: client.date("2024-02-29"),
      ts: client.timestamp("2024-01-01T00:00:00.000Z"),
      a: ["x", "y"],
      r: { k: 1, v: "w" },
    };
    const [rows] = await client.query({
      query: "SELECT @i i, @f f, @s s, @b b, @d d, @ts ts, @a a, @r r, 'y' IN UNNEST(@a) AS has",
      params,
    });
    const [row] = rows;
    assert.deepEqual([row.i, row.f, row.s, row.b, row.has], [7, 1.25, params.s, false, true]);
    assert.equal(row.d.value, "2024-02-29");
    assert.equal(new Date(row.ts.value).toISOString(), "2024-01-01T00:00:00.000Z");
    assert.deepEqual(row.a, ["x", "y"]);
    assert.deepEqual(row.r, { k: 1, v: "w" });
  });

  test("positional parameters are taken in order, and an absent value with its type is NULL", async () => {
    const [rows] = await bench.client().query({
      query: "SELECT ? - ? AS d, ? AS n",
      params: [10, 3, null],
      types: ["INT64", "INT64", "STRING"],
    });
    assert.deepEqual(rows, [{ d: 7, n: null }]);
  });

  test("5,000 rows come in pages, each row once and in order", async () => {
    const [job] = await bench
      .client()
      .createQueryJob({ query: "SELECT order_id FROM shop.orders ORDER BY order_id LIMIT 5000" });
    const ids: number[] = [];
    let pages = 0;
    for (
      let options: QueryResultsOptions | null | undefined = { maxResults: 700, autoPaginate: false };
      options;
      pages++
    ) {
      const [rows, next]: QueryRowsResponse = await job.getQueryResults(options);
      ids.push(...rows.map((row: { order_id: number }) => row.order_id));
      options = next;
    }
    assert.equal(pages, 8);
    assert.deepEqual(
      ids,
      Array.from({ length: 5000 }, (_, index) => index + 1),
    );
  });

  test("the client's own paging gives them all in one go", async () => {
    const [rows] = await bench
      .client()
      .query({ query: "SELECT order_id FROM shop.orders LIMIT 5000", maxResults: 1000 });
    assert.equal(rows.length, 5000);
  });

  test("a table can be made, filled, read and dropped", async () => {
    const client = bench.client();
    const [dataset] = await client.createDataset("scratch");
    const [table] = await dataset.createTable("pets", {
      schema: [
        { name: "name", type: "STRING", mode: "REQUIRED" },
        { name: "legs", type: "INTEGER" },
        { name: "toys", type: "STRING", mode: "REPEATED" },
      ],
    });
    await table.insert([
      { name: "Rex", legs: 4, toys: ["ball", "rope"] },
      { name: "Tweety", legs: 2 },
    ]);
    const [rows] = await table.getRows();
    assert.deepEqual(rows, [
      { name: "Rex", legs: 4, toys: ["ball", "rope"] },
      { name: "Tweety", legs: 2, toys: [] },
    ]);
    assert.deepEqual(
      (await dataset.getTables())[0].map((each) => each.id),
      ["pets"],
    );
    await table.delete();
    assert.deepEqual(await table.exists(), [false]);
    await dataset.delete();
  });

  test("a row that does not fit rejects with the row and the reason", async () => {
    const table = bench.client().dataset("shop").table("customers");
    await assert.rejects(
      table.insert([{ customer_id: 1, nickname: "x" }]),
      (error: Error & { errors?: unknown[] }) => {
        assert.equal(error.name, "PartialFailureError");
        assert.match(JSON.stringify(error.errors), /no such field: nickname/);
        return true;
      },
    );
  });

  test("DML tells how many rows it changed, and what it changed stays", async () => {
    const client = bench.client();
    const insert =
      "INSERT INTO shop.orders (order_id, customer_id, product) VALUES (900001, 1, 'kite'), (900002, 1, 'kite')";
    const [job] = await client.createQueryJob(insert);
    await job.getQueryResults();
    const [metadata] = await job.getMetadata();
    assert.equal(metadata.statistics.query.numDmlAffectedRows, "2");
    const [rows] = await client.query("SELECT COUNT(*) AS n FROM shop.orders WHERE product = 'kite'");
    assert.deepEqual(rows, [{ n: 2 }]);
  });

  test("a failing statement rejects once, with BigQuery's words and reason", async () => {
    await assert.rejects(bench.client().query("SELECT nme FROM shop.customers"), {
      code: 400,
      message: "Unrecognized name: nme at [1:8]",
      errors: [
        {
          message: "Unrecognized name: nme at [1:8]",
          reason: "invalidQuery",
          domain: "global",
          location: "query",
          locationType: "parameter",
        },
      ],
    });
  });

  test("datasets and jobs can be listed", async () => {
    const client = bench.client();
    const [datasets] = await client.getDatasets();
    assert.deepEqual(
      datasets.map((dataset) => dataset.id),
      ["shop"],
    );
    const [jobs] = await client.getJobs({ maxResults: 2, autoPaginate: false });
    assert.equal(jobs.length, 2);
  });
});
