import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Engine, rowsOf } from "../../src/sandbox/engine.ts";
import { Bench } from "./support.ts";

const bench = Bench.forThisFile({ rows: 10 });

suite("nothing but GoogleSQL on the sandbox's own tables gets to DuckDB", { timeout: 30_000 }, () => {
  const statements = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM shop.orders, '/etc/passwd'",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT getenv('HOME')",
    "SELECT current_setting('threads')",
    "SELECT `getenv`('HOME')",
    "SELECT 'x'.upper()",
    "SELECT (TABLE shop.orders)",
    "SELECT * FROM (DESCRIBE shop.orders)",
    "SELECT * FROM (SHOW TABLES)",
    "FROM shop.orders",
    "WITH x AS (DELETE FROM shop.orders) SELECT 1",
    "DELETE FROM shop.orders USING shop.customers WHERE TRUE",
    "CREATE TABLE shop.c AS TABLE shop.orders",
    "CREATE TABLE shop.c AS FROM read_csv('/etc/passwd')",
    "INSERT INTO shop.orders (product) SELECT content FROM read_text('/etc/passwd')",
    "CREATE MACRO shop.m(a) AS a",
    "CREATE TEMP TABLE t (a INT64)",
    "CREATE SECRET s (TYPE s3)",
    "ATTACH '/tmp/x.db'",
    "DETACH memory",
    "COPY shop.orders TO '/tmp/x.csv'",
    "COPY shop.orders FROM '/etc/passwd'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET threads = 1",
    "RESET threads",
    "USE memory",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "EXPLAIN SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT 1 AS a, $1",
    "SELECT 1::VARCHAR",
    "SELECT {'a': 1}",
    "SELECT 1; ATTACH '/tmp/x.db'",
  ];
  for (const sql of statements) {
    test(`refused: ${sql}`, async () => {
      const { status, body } = await bench.query(sql);
      assert.ok(status === 400 || status === 404, `${status}`);
      assert.match(body.error.errors[0].reason, /^(?:invalidQuery|notFound)$/);
    });
  }

  test("comments and literals hide nothing, and are nothing", async () => {
    assert.deepEqual(
      await bench.rows("SELECT 'FROM read_csv(1)' /* ATTACH 'x' */ AS a, \"-- ;\" AS b -- ; COPY\n # DROP\n"),
      [["FROM read_csv(1)", "-- ;"]],
    );
    assert.deepEqual(await bench.rows("SELECT '\\'; DROP TABLE shop.orders; --', r'\\d', '''a'b''' AS c"), [
      ["'; DROP TABLE shop.orders; --", "\\d", "a'b"],
    ]);
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM shop.orders"), [["10"]]);
  });
});

suite("and if something else did, DuckDB itself would refuse", { timeout: 30_000 }, () => {
  const statements = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "COPY (SELECT 1) TO '/tmp/bqtape-sandbox-test.csv'",
    "ATTACH '/tmp/bqtape-sandbox-test.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
  ];
  for (const sql of statements) {
    test(sql, async () => {
      const engine = await Engine.open(async () => {});
      try {
        await assert.rejects(engine.use((connection) => rowsOf(connection, sql)));
      } finally {
        engine.close();
      }
    });
  }
});
