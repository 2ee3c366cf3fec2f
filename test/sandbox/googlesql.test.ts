import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { compile } from "../../src/sandbox/googlesql/compile.ts";
import { Bench } from "./support.ts";

const bench = Bench.forThisFile({ rows: 200 });

suite("everyday GoogleSQL means what it means in BigQuery", { timeout: 60_000 }, () => {
  const expressions: [sql: string, value: unknown][] = [
    ["SAFE_DIVIDE(1, 0)", null],
    ["COUNTIF(x > 1) FROM UNNEST([1, 2, 3]) AS x", "2"],
    ["CONCAT('a', NULL)", null],
    ["GREATEST(1, NULL)", null],
    ["LOG(1)", "0.0"],
    ["IF(1 < 2, 'y', 'n')", "y"],
    ["IFNULL(NULL, 'd')", "d"],
    ["7 / 2", "3.5"],
    ["DIV(7, 2)", "3"],
    ["[10, 20][OFFSET(1)]", "20"],
    ["[10, 20][ORDINAL(1)]", "10"],
    ["ARRAY<INT64>[1, 2][SAFE_OFFSET(5)]", null],
    ["ARRAY_LENGTH(GENERATE_ARRAY(1, 10, 3))", "4"],
    ["ARRAY_LENGTH(GENERATE_DATE_ARRAY('2024-01-01', '2024-01-31', INTERVAL 1 WEEK))", "5"],
    ["SAFE_CAST('x' AS INT64)", null],
    ["CAST(1.5 AS STRING)", "1.5"],
    ["DATE_TRUNC(DATE '2024-05-15', MONTH)", "2024-05-01"],
    ["DATE_TRUNC(DATE '2024-05-15', WEEK)", "2024-05-12"],
    ["DATE_TRUNC(DATE '2024-05-15', WEEK(MONDAY))", "2024-05-13"],
    ["DATE_ADD(DATE '2024-01-31', INTERVAL 1 MONTH)", "2024-02-29"],
    ["DATE_SUB(DATE '2024-01-01', INTERVAL 1 + 1 DAY)", "2023-12-30"],
    ["DATE_DIFF(DATE '2024-03-01', DATE '2024-01-31', MONTH)", "2"],
    ["DATE_DIFF(DATE '2024-05-12', DATE '2024-05-11', WEEK)", "1"],
    ["TIMESTAMP_DIFF(TIMESTAMP '2024-01-02 00:00:00+00', TIMESTAMP '2024-01-01 00:00:01+00', DAY)", "0"],
    [
      "TIMESTAMP_TRUNC(TIMESTAMP '2024-01-02 03:04:05 UTC', HOUR) = TIMESTAMP '2024-01-02 03:00:00 UTC'",
      "true",
    ],
    ["EXTRACT(DAYOFWEEK FROM DATE '2024-05-12')", "1"],
    ["EXTRACT(DATE FROM TIMESTAMP '2024-05-12 10:00:00 UTC')", "2024-05-12"],
    ["EXTRACT(MILLISECOND FROM TIME '00:00:01.5')", "500"],
    ["FORMAT_DATE('%Y/%m/%d', DATE '2024-01-02')", "2024/01/02"],
    ["FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2024-01-02 03:04:05 UTC')", "2024-01-02 03:04:05"],
    ["FORMAT_TIMESTAMP('%H', TIMESTAMP '2024-01-02 03:04:05 UTC', 'Asia/Tokyo')", "12"],
    ["PARSE_DATE('%d.%m.%Y', '02.01.2024')", "2024-01-02"],
    ["UNIX_SECONDS(TIMESTAMP '1970-01-02 00:00:00 UTC')", "86400"],
    ["UNIX_MILLIS(TIMESTAMP_MILLIS(-1))", "-1"],
    ["DATE(TIMESTAMP '2024-01-01 23:00:00 UTC', 'Europe/Berlin')", "2024-01-02"],
    ["CURRENT_DATE() = EXTRACT(DATE FROM CURRENT_TIMESTAMP)", "true"],
    ["REGEXP_CONTAINS('abc', r'^a')", "true"],
    ["REGEXP_EXTRACT('ada@example.org', r'@(.+)$')", "example.org"],
    ["REGEXP_EXTRACT('abc', r'b.')", "bc"],
    ["REGEXP_EXTRACT('abc', r'x')", null],
    ["REGEXP_REPLACE('aXbX', 'X', '-')", "a-b-"],
    ["SPLIT('a,b')[OFFSET(1)]", "b"],
    ["TO_HEX(SHA256('x'))", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"],
    ['JSON_VALUE(\'{"a": {"b": "c"}}\', \'$.a.b\')', "c"],
    ['JSON_VALUE(\'{"a": {"b": "c"}}\', \'$.a\')', null],
    ["TO_JSON_STRING(STRUCT(1 AS a, 'x' AS b))", '{"a":1,"b":"x"}'],
    ["STRUCT(1 AS a, 'x' AS b).b", "x"],
    ["LOGICAL_AND(x) FROM UNNEST([TRUE, FALSE]) AS x", "false"],
    ["STRING_AGG(x, '-' ORDER BY x DESC) FROM UNNEST(['a', 'b']) AS x", "b-a"],
    ["CHAR_LENGTH('é') || BYTE_LENGTH('é')", "12"],
  ];
  for (const [sql, value] of expressions) {
    test(sql, async () => {
      assert.deepEqual(await bench.rows(`SELECT ${sql}`), [[value]]);
    });
  }

  test("SELECT * EXCEPT and REPLACE", async () => {
    const sql = "SELECT * EXCEPT (b) REPLACE (a + 1 AS a) FROM (SELECT 1 AS a, 2 AS b, 3 AS c)";
    assert.deepEqual(await bench.rows(sql), [["2", "3"]]);
  });

  test("UNNEST WITH OFFSET counts from 0, also of a column of the table beside it", async () => {
    const sql = `WITH t AS (SELECT ['a', 'b'] AS xs)
      SELECT x, i FROM t, UNNEST(t.xs) AS x WITH OFFSET AS i ORDER BY i`;
    assert.deepEqual(await bench.rows(sql), [
      ["a", "0"],
      ["b", "1"],
    ]);
  });

  test("NULL sorts before all values", async () => {
    const rows = await bench.rows("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x");
    assert.deepEqual(rows, [[null], ["1"], ["2"]]);
  });

  test("QUALIFY, windows, WITH and set operations", async () => {
    const sql = `WITH a AS (SELECT 1 AS n UNION ALL SELECT 2 UNION DISTINCT SELECT 2)
      SELECT n, SUM(n) OVER (ORDER BY n) AS s FROM a WHERE TRUE QUALIFY ROW_NUMBER() OVER (ORDER BY n DESC) = 1`;
    assert.deepEqual(await bench.rows(sql), [["2", "3"]]);
  });

  test("an unqualified name is of the default dataset, unless WITH has it", async () => {
    const more = { defaultDataset: { datasetId: "shop" } };
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM orders", more), [["200"]]);
    assert.deepEqual(await bench.rows("WITH orders AS (SELECT 1) SELECT COUNT(*) FROM orders", more), [
      ["1"],
    ]);
  });
});

suite("a table may be named in every way that BigQuery takes", () => {
  const ways = [
    "shop.orders",
    "`shop.orders`",
    "`shop`.orders",
    "`demo-project.shop.orders`",
    "`demo-project`.shop.`orders`",
    "`demo-project.shop`.orders",
    "demo-project.shop.orders",
    "demo-project.shop.orders AS o",
    "(SELECT * FROM shop.orders)",
    "(shop.orders AS o CROSS JOIN UNNEST([1]) AS x)",
    "UNNEST([1]) AS x, shop.orders",
    "UNNEST([1]) AS x JOIN shop.orders ON TRUE",
  ];
  for (const way of ways) {
    test(way, () => {
      const [statement] = compile(`SELECT * FROM ${way} WHERE TRUE`, {
        project: "demo-project",
        defaultDataset: undefined,
        parameters: [],
      });
      assert.deepEqual(statement?.tables, [{ dataset: "shop", table: "orders" }]);
    });
  }
});
