import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Bench, type Json } from "./support.ts";

const bench = Bench.forThisFile({ rows: 200 });

suite("datasets", { timeout: 30_000 }, () => {
  test("are made, described, listed and deleted", async () => {
    const made = await bench.call("POST", "/datasets", {
      datasetReference: { projectId: "demo-project", datasetId: "lab" },
      description: "trials",
      labels: { env: "test" },
    });
    assert.equal(made.status, 200);
    assert.equal(made.body.id, "demo-project:lab");
    const patched = await bench.call("PATCH", "/datasets/lab", {
      description: null,
      labels: { env: null, owner: "me" },
    });
    assert.equal(patched.body.description, undefined);
    assert.deepEqual(patched.body.labels, { owner: "me" });
    const list = await bench.call("GET", "/datasets");
    assert.deepEqual(
      list.body.datasets.map((each: Json) => each.datasetReference.datasetId),
      ["lab", "shop"],
    );
    assert.equal((await bench.call("DELETE", "/datasets/lab")).status, 204);
    assert.equal((await bench.call("GET", "/datasets/lab")).status, 404);
  });

  test("in use are deleted with their contents only when it is said", async () => {
    await bench.query("CREATE SCHEMA full_one; CREATE TABLE full_one.t (a INT64)");
    const refused = await bench.call("DELETE", "/datasets/full_one");
    assert.equal(refused.status, 400);
    assert.equal(refused.body.error.errors[0].reason, "resourceInUse");
    assert.equal((await bench.call("DELETE", "/datasets/full_one?deleteContents=true")).status, 204);
  });

  test("come once", async () => {
    const { status, body } = await bench.call("POST", "/datasets", {
      datasetReference: { datasetId: "shop" },
    });
    assert.equal(status, 409);
    assert.equal(body.error.message, "Already Exists: Dataset demo-project:shop");
  });

  test("of DuckDB's own are none", async () => {
    for (const name of ["main", "information_schema", "pg_catalog", "temp", "memory"]) {
      assert.equal((await bench.call("GET", `/datasets/${name}`)).status, 404, name);
      assert.equal((await bench.query(`SELECT * FROM ${name}.tables`)).status >= 400, true, name);
    }
    assert.equal((await bench.query("CREATE SCHEMA main")).status, 400);
  });
});

suite("tables", { timeout: 30_000 }, () => {
  test("have the schema that they were made with", async () => {
    const fields = [
      { name: "id", type: "INTEGER", mode: "REQUIRED", description: "the key" },
      { name: "price", type: "NUMERIC", mode: "NULLABLE", precision: "10", scale: "2" },
      {
        name: "lines",
        type: "RECORD",
        mode: "REPEATED",
        fields: [
          { name: "sku", type: "STRING", mode: "NULLABLE" },
          { name: "at", type: "TIMESTAMP", mode: "NULLABLE" },
        ],
      },
    ];
    const made = await bench.call("POST", "/datasets/shop/tables", {
      tableReference: { projectId: "demo-project", datasetId: "shop", tableId: "typed" },
      schema: { fields },
    });
    assert.equal(made.status, 200);
    assert.deepEqual(made.body.schema.fields, fields);
    assert.deepEqual((await bench.call("GET", "/datasets/shop/tables/typed")).body.schema.fields, fields);
  });

  test("made by SQL are the same as those made by the API", async () => {
    await bench.query("CREATE TABLE shop.by_sql (id INT64 NOT NULL, tags ARRAY<STRING>, seen DATETIME)");
    const { body } = await bench.call("GET", "/datasets/shop/tables/by_sql");
    assert.equal(body.type, "TABLE");
    assert.deepEqual(body.schema.fields, [
      { name: "id", type: "INTEGER", mode: "REQUIRED" },
      { name: "tags", type: "STRING", mode: "REPEATED" },
      { name: "seen", type: "DATETIME", mode: "NULLABLE" },
    ]);
  });

  test("take columns at the end by patch, and no other change of schema", async () => {
    await bench.query("CREATE TABLE shop.growing (a INT64)");
    const fields = [
      { name: "a", type: "INTEGER" },
      { name: "b", type: "STRING" },
    ];
    const grown = await bench.call("PATCH", "/datasets/shop/tables/growing", { schema: { fields } });
    assert.equal(grown.body.schema.fields.length, 2);
    const shrunk = await bench.call("PATCH", "/datasets/shop/tables/growing", {
      schema: { fields: fields.slice(1) },
    });
    assert.equal(shrunk.status, 400);
  });

  test("of type VIEW keep their query as it was written", async () => {
    const query = "SELECT name FROM `demo-project.shop.customers` -- all of them";
    const made = await bench.call("POST", "/datasets/shop/tables", {
      tableReference: { datasetId: "shop", tableId: "names" },
      view: { query, useLegacySql: false },
    });
    assert.equal(made.status, 200);
    assert.equal(made.body.type, "VIEW");
    assert.equal(made.body.view.query, query);
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM shop.names"), [["10"]]);
    const { status } = await bench.call("GET", "/datasets/shop/tables/names/data");
    assert.equal(status, 400);
  });

  test("know their rows and bytes as they change", async () => {
    await bench.query("CREATE TABLE shop.counted AS SELECT 1 AS a, 'xyz' AS b");
    const before = (await bench.call("GET", "/datasets/shop/tables/counted")).body;
    assert.deepEqual([before.numRows, before.numBytes], ["1", "13"]);
    await bench.query("INSERT INTO shop.counted (a, b) VALUES (2, NULL)");
    const after = (await bench.call("GET", "/datasets/shop/tables/counted")).body;
    assert.deepEqual([after.numRows, after.numBytes], ["2", "21"]);
  });

  test("are listed in pages", async () => {
    const first = await bench.call("GET", "/datasets/shop/tables?maxResults=1");
    assert.equal(first.body.tables.length, 1);
    const second = await bench.call(
      "GET",
      `/datasets/shop/tables?maxResults=1&pageToken=${first.body.nextPageToken}`,
    );
    assert.notDeepEqual(second.body.tables, first.body.tables);
  });

  test("are told about by INFORMATION_SCHEMA", async () => {
    const sql =
      "SELECT column_name, data_type FROM shop.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'orders' ORDER BY ordinal_position";
    const rows = await bench.rows(sql);
    assert.deepEqual(rows[0], ["order_id", "INT64"]);
    assert.deepEqual(rows[4], ["amount", "NUMERIC"]);
  });
});

suite("tabledata", { timeout: 30_000 }, () => {
  const path = "/datasets/shop/tables/streamed";

  test("rows are streamed in, of every type", async () => {
    await bench.query(
      "CREATE TABLE shop.streamed (i INT64 NOT NULL, f FLOAT64, n NUMERIC, b BOOL, s STRING, y BYTES, d DATE, t TIMESTAMP, a ARRAY<INT64>, r STRUCT<x INT64, z STRING>, j JSON)",
    );
    const json = {
      i: "1",
      f: 2.5,
      n: "3.25",
      b: true,
      s: "é",
      y: "AP8=",
      d: "2024-01-02",
      t: "2024-01-02T03:04:05Z",
      a: [1, 2],
      r: { x: 1 },
      j: '{"k":[1]}',
    };
    const { status, body } = await bench.call("POST", `${path}/insertAll`, { rows: [{ json }] });
    assert.equal(status, 200);
    assert.equal(body.insertErrors, undefined);
    const { rows } = (await bench.call("GET", `${path}/data`)).body;
    assert.deepEqual(
      rows[0].f.map((cell: Json) => cell.v),
      [
        "1",
        "2.5",
        "3.25",
        "true",
        "é",
        "AP8=",
        "2024-01-02",
        "1.704164645E9",
        [{ v: "1" }, { v: "2" }],
        { f: [{ v: "1" }, { v: null }] },
        '{"k":[1]}',
      ],
    );
  });

  test("one bad row stops all, and each is told why", async () => {
    const rows = [{ json: { i: 10 } }, { json: { i: "x" } }, { json: {} }, { json: { i: 11, nope: 1 } }];
    const { body } = await bench.call("POST", `${path}/insertAll`, { rows });
    assert.deepEqual(
      body.insertErrors.map(({ index, errors }: Json) => [index, errors[0].reason, errors[0].location]),
      [
        [0, "stopped", ""],
        [1, "invalid", "i"],
        [2, "invalid", "i"],
        [3, "invalid", "nope"],
      ],
    );
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM shop.streamed WHERE i >= 10"), [["0"]]);
  });

  test("skipInvalidRows and ignoreUnknownValues let the rest in", async () => {
    const rows = [{ json: { i: 20, nope: 1 } }, { json: { i: "x" } }];
    const { body } = await bench.call("POST", `${path}/insertAll`, {
      rows,
      skipInvalidRows: true,
      ignoreUnknownValues: true,
    });
    assert.deepEqual(
      body.insertErrors.map((each: Json) => each.index),
      [1],
    );
    assert.deepEqual(await bench.rows("SELECT i FROM shop.streamed WHERE i >= 20"), [["20"]]);
  });

  test("an insertId that comes again is not stored again", async () => {
    const rows = [{ insertId: "one", json: { i: 30 } }];
    await bench.call("POST", `${path}/insertAll`, { rows: [...rows, ...rows] });
    await bench.call("POST", `${path}/insertAll`, { rows });
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM shop.streamed WHERE i = 30"), [["1"]]);
  });

  test("selectedFields, startIndex and maxResults choose what is read", async () => {
    const { body } = await bench.call(
      "GET",
      "/datasets/shop/tables/orders/data?selectedFields=customer_id,order_id&startIndex=150&maxResults=2",
    );
    assert.equal(body.totalRows, "200");
    assert.deepEqual(
      body.rows.map((row: Json) => [row.f.length, row.f[0].v]),
      [
        [2, "151"],
        [2, "152"],
      ],
    );
  });

  test("a page token that is none is refused", async () => {
    assert.equal((await bench.call("GET", `${path}/data?pageToken=zzz`)).status, 400);
  });
});
