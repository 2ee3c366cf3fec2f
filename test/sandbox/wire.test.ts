import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Bench } from "./support.ts";

const bench = Bench.forThisFile({ rows: 200 });
const authorized = () => ({ authorization: `Bearer ${bench.token}` });

suite("values have BigQuery's wire form", { timeout: 30_000 }, () => {
  const forms: [sql: string, value: unknown, type: string][] = [
    ["1", "1", "INTEGER"],
    ["SUM(x) FROM UNNEST([9223372036854775807]) AS x", "9223372036854775807", "INTEGER"],
    ["3.0", "3.0", "FLOAT"],
    ["CAST('nan' AS FLOAT64)", "NaN", "FLOAT"],
    ["TRUE", "true", "BOOLEAN"],
    ["NUMERIC '12.500'", "12.5", "NUMERIC"],
    ["NUMERIC '100'", "100", "NUMERIC"],
    ["b'\\x00\\xff'", "AP8=", "BYTES"],
    ["DATE '2024-01-02'", "2024-01-02", "DATE"],
    ["TIME '03:04:05.5'", "03:04:05.500000", "TIME"],
    ["DATETIME '2024-01-02 03:04:05'", "2024-01-02T03:04:05", "DATETIME"],
    ["DATETIME '1969-12-31 23:59:59.5'", "1969-12-31T23:59:59.500000", "DATETIME"],
    ["TIMESTAMP '2024-01-02 03:04:05 UTC'", "1.704164645E9", "TIMESTAMP"],
    ["JSON '{\"a\": 1}'", '{"a": 1}', "JSON"],
    ["INTERVAL 3 DAY", "0-0 3 0:0:0", "INTERVAL"],
    ["CAST(NULL AS STRING)", null, "STRING"],
    ["STRUCT(1 AS a, [2] AS b)", { f: [{ v: "1" }, { v: [{ v: "2" }] }] }, "RECORD"],
  ];
  for (const [sql, value, type] of forms) {
    test(`${sql} is ${JSON.stringify(value)}`, async () => {
      const { body } = await bench.query(sql.includes(" FROM ") ? `SELECT ${sql}` : `SELECT ${sql} AS x`);
      assert.deepEqual(body.rows, [{ f: [{ v: value }] }]);
      assert.equal(body.schema.fields[0].type, type);
    });
  }

  test("an array is REPEATED, and never NULL", async () => {
    const { body } = await bench.query("SELECT ['a', 'b'] AS a, CAST(NULL AS ARRAY<INT64>) AS n");
    assert.deepEqual(body.rows, [{ f: [{ v: [{ v: "a" }, { v: "b" }] }, { v: [] }] }]);
    assert.deepEqual(body.schema.fields, [
      { name: "a", type: "STRING", mode: "REPEATED" },
      { name: "n", type: "INTEGER", mode: "REPEATED" },
    ]);
  });

  test("a TIMESTAMP is microseconds, or ISO 8601, where the request asks for it", async () => {
    const sql = "SELECT TIMESTAMP '2024-01-02 03:04:05.000006 UTC'";
    const formats = [
      [{ useInt64Timestamp: true }, "1704164645000006"],
      [{ timestampOutputFormat: "INT64" }, "1704164645000006"],
      [{ timestampOutputFormat: "ISO8601_STRING" }, "2024-01-02T03:04:05.000006Z"],
      [{}, "1.704164645000006E9"],
    ];
    for (const [formatOptions, expected] of formats) {
      assert.deepEqual(await bench.rows(sql, { formatOptions }), [[expected]]);
    }
  });

  test("columns without a name are f0_, f1_, …; those with one keep it", async () => {
    const { body } = await bench.query("SELECT 1, 2 AS b, 3, COUNT(*) FROM shop.orders");
    assert.deepEqual(
      body.schema.fields.map((field: { name: string }) => field.name),
      ["f0_", "b", "f1_", "f2_"],
    );
  });
});

suite("an answer has the form that the request asks for", { timeout: 30_000 }, () => {
  test("fields picks members at any depth, through arrays", async () => {
    const { status, body } = await bench.call(
      "GET",
      "/datasets/shop/tables/customers?fields=numRows,schema(fields/name),tableReference/tableId",
    );
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), ["numRows", "schema", "tableReference"]);
    assert.deepEqual(body.schema.fields[0], { name: "customer_id" });
    assert.deepEqual(body.tableReference, { tableId: "customers" });
  });

  test("a page of results need not repeat its schema", async () => {
    const { body } = await bench.query("SELECT order_id FROM shop.orders", { maxResults: 10 });
    const page = await bench.call(
      "GET",
      `/queries/${body.jobReference.jobId}?maxResults=3&startIndex=5&fields=jobReference,totalRows,pageToken,rows`,
    );
    assert.deepEqual(Object.keys(page.body).sort(), ["jobReference", "pageToken", "rows", "totalRows"]);
    assert.equal(page.body.rows.length, 3);
  });

  test("a mask that does not parse is refused", async () => {
    for (const fields of ["a(b", "a)", "a,,b", "(a)", "a/"]) {
      const { status, body } = await bench.call("GET", `/datasets?fields=${encodeURIComponent(fields)}`);
      assert.equal(status, 400, fields);
      assert.equal(body.error.errors[0].reason, "invalidParameter");
    }
  });

  test("it is gzip if the client takes it, and only then", async () => {
    const path = "/bigquery/v2/projects/demo-project/datasets";
    const zipped = await bench.ask(path, {
      headers: { ...authorized(), "accept-encoding": "gzip, deflate" },
    });
    assert.equal(zipped.headers["content-encoding"], "gzip");
    assert.equal(Number(zipped.headers["content-length"]), zipped.bytes.length);
    const plain = await bench.ask(path, { headers: { ...authorized(), "accept-encoding": "br, gzip;q=0" } });
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.equal(gunzipSync(zipped.bytes).toString(), plain.text);
  });

  test("it is indented unless prettyPrint=false", async () => {
    const path = "/bigquery/v2/projects/demo-project/datasets";
    const pretty = await bench.ask(path, { headers: authorized() });
    const compact = await bench.ask(`${path}?prettyPrint=false`, { headers: authorized() });
    assert.match(pretty.text, /^\{\n {2}"kind"/);
    assert.equal(compact.text, JSON.stringify(JSON.parse(pretty.text)));
  });

  test("maxResults=0 gives the schema and the number of rows, and nothing to go on from", async () => {
    const { body } = await bench.query("SELECT order_id FROM shop.orders", { maxResults: 0 });
    assert.equal(body.totalRows, "200");
    assert.equal(body.schema.fields.length, 1);
    assert.equal(body.rows, undefined);
    assert.equal(body.pageToken, undefined);
  });
});

suite("a request that cannot be served is refused in Google's words", { timeout: 30_000 }, () => {
  const refusals: [what: string, sql: string, status: number, reason: string, message: RegExp][] = [
    [
      "a syntax error",
      "SELECT 1 FROM",
      400,
      "invalidQuery",
      /^Syntax error: Unexpected end of script at \[1:14\]$/,
    ],
    [
      "an unknown column",
      "SELECT\n  x\nFROM shop.orders",
      400,
      "invalidQuery",
      /^Unrecognized name: x at \[2:3\]$/,
    ],
    ["an unknown function", "SELECT FOO(1)", 400, "invalidQuery", /^Function not found: FOO at \[1:8\]$/],
    [
      "an unknown table",
      "SELECT * FROM shop.nope",
      404,
      "notFound",
      /^Not found: Table demo-project:shop\.nope was not found in location US$/,
    ],
    [
      "an unknown dataset",
      "SELECT * FROM nope.x",
      404,
      "notFound",
      /^Not found: Dataset demo-project:nope was not found/,
    ],
    [
      "another project",
      "SELECT * FROM other.shop.orders",
      403,
      "accessDenied",
      /^Access Denied: Table other:shop\.orders/,
    ],
    [
      "a table that is there",
      "CREATE TABLE shop.orders (a INT64)",
      409,
      "duplicate",
      /^Already Exists: Table demo-project:shop\.orders$/,
    ],
    [
      "a name without a dataset",
      "SELECT * FROM orders",
      400,
      "invalidQuery",
      /must be qualified with a dataset/,
    ],
    [
      "a value that does not convert",
      "SELECT CAST('x' AS INT64)",
      400,
      "invalidQuery",
      /^Could not convert string 'x' to INT64/,
    ],
    [
      "UPDATE without WHERE",
      "UPDATE shop.orders SET product = 'x'",
      400,
      "invalidQuery",
      /without a WHERE clause/,
    ],
    ["two columns of one name", "SELECT 1 AS a, 2 AS a", 400, "invalidQuery", /^Duplicate column names/],
  ];
  for (const [what, sql, status, reason, message] of refusals) {
    test(`${what}: ${status} ${reason}`, async () => {
      const answer = await bench.query(sql);
      const { error } = answer.body;
      assert.equal(answer.status, status);
      assert.equal(error.code, status);
      assert.match(error.message, message);
      assert.equal(error.errors[0].reason, reason);
      assert.equal(error.errors[0].domain, "global");
      assert.equal(error.errors[0].message, error.message);
    });
  }

  test("what the sandbox does not serve is 501 notImplemented", async () => {
    const query = { query: "SELECT 1", useLegacySql: false };
    const requests: [method: string, path: string, body?: object][] = [
      ["GET", "/datasets/shop/models"],
      ["GET", "/datasets/shop/routines"],
      ["POST", "/datasets/shop/tables/orders:getIamPolicy", {}],
      ["PUT", "/datasets/shop", {}],
      ["POST", "/queries", { query: "SELECT 1" }],
      ["POST", "/queries", { ...query, createSession: true }],
      ["POST", "/queries", { ...query, connectionProperties: [{ key: "time_zone", value: "UTC" }] }],
      ["POST", "/jobs", { configuration: { load: { sourceUris: ["gs://a/b"] } } }],
      ["POST", "/jobs", { configuration: { copy: { destinationTable: {} } } }],
      ["POST", "/jobs", { configuration: { query: { ...query, tableDefinitions: { t: {} } } } }],
      ["POST", "/jobs", { configuration: { query: { query: "SELECT 1", useLegacySql: true } } }],
    ];
    for (const [method, path, body] of requests) {
      const answer = await bench.call(method, path, body);
      assert.equal(answer.status, 501, `${method} ${path} ${JSON.stringify(body)}`);
      assert.equal(answer.body.error.errors[0].reason, "notImplemented");
    }
    const upload = await bench.ask("/upload/bigquery/v2/projects/demo-project/jobs", {
      method: "POST",
      headers: authorized(),
    });
    assert.equal(upload.status, 501);
    assert.equal(JSON.parse(upload.text).error.errors[0].reason, "notImplemented");
  });

  test("a body past 10 MiB is 413, and the next request is served", async () => {
    const { status, text } = await bench.ask("/bigquery/v2/projects/demo-project/queries", {
      method: "POST",
      headers: authorized(),
      body: Buffer.alloc(11 * 2 ** 20, " "),
    });
    assert.equal(status, 413);
    assert.equal(JSON.parse(text).error.errors[0].reason, "uploadTooLarge");
    assert.deepEqual(await bench.rows("SELECT 1"), [["1"]]);
  });

  test("a body that is no JSON is parseError", async () => {
    const { status, text } = await bench.ask("/bigquery/v2/projects/demo-project/queries", {
      method: "POST",
      headers: authorized(),
      body: "{",
    });
    assert.equal(status, 400);
    assert.equal(JSON.parse(text).error.errors[0].reason, "parseError");
  });
});
