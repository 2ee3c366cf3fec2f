import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, query, refusal, sessionStarted } from "../support.ts";
import { exportedFile, recording } from "./support.ts";

const limit = { timeout: 60_000 };
const SESSION = uuidv7();

test("a recorded session opens in DuckDB, with the right types", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  const path = `/bigquery/v2/projects/${project}/queries`;
  const sql = "SELECT 1 AS one";
  await ask({ path, body: JSON.stringify({ query: sql, useLegacySql: false }) });
  await ask({ path, body: '{"query":"SELECT nothing FROM nowhere"}' });
  const file = await exportedFile(dataDir, session, "parquet", { live: true });
  const rows = await inDuckDB(
    `SELECT session, operation, sql, status, rows, total_rows, outcome, ended >= time AS ordered,
       phases.total > 0 AS timed, len(request_headers) > 0 AS headed, length(response_sha256) AS digest
     FROM read_parquet('${file}') ORDER BY time`,
  );
  assert.partialDeepStrictEqual(rows, [
    {
      ...{
        session,
        operation: "jobs.query",
        sql,
        status: "200",
        rows: "1",
        total_rows: "1",
        outcome: "complete",
      },
      ...{ ordered: true, timed: true, headed: true, digest: "64" },
    },
    { sql: "SELECT nothing FROM nowhere", rows: null, outcome: "complete" },
  ]);
  const types = await inDuckDB(
    `SELECT column_name AS name, column_type AS type FROM (DESCRIBE FROM read_parquet('${file}'))`,
  );
  const named = new Map(types.map(({ name, type }) => [name, type]));
  for (const [name, type] of [
    ["time", "TIMESTAMP WITH TIME ZONE"],
    ["sql", "VARCHAR"],
    ["groups", "VARCHAR[]"],
    ["response_bytes", "BIGINT"],
    ["dry_run", "BOOLEAN"],
    ["request_headers", 'STRUCT("name" VARCHAR, "value" VARCHAR)[]'],
  ]) {
    assert.equal(named.get(String(name)), type);
  }
  assert.deepEqual(readdirSync(dirname(file)), ["export"], "nothing else is left");
});

test(
  "a window has the exchanges of its time, those without a session too; what is not known is NULL",
  limit,
  async () => {
    const other = uuidv7();
    const dataDir = temporaryDirectory();
    const hostile = "x\0\r\n\"'; DROP TABLE exchanges; --🎉";
    const journal = new HandWrittenJournal(dataDir)
      .events(gatewayStarted(), sessionStarted(SESSION), sessionStarted(other, "bob"))
      .exchange(query({ session: SESSION, time: 2_000 }))
      .exchange(query({ session: other, time: 4_000.5, user: "bob", sql: hostile }))
      .events(refusal(5_000));
    ingestAll(dataDir, journal);
    const file = await exportedFile(dataDir, { since: 3_000 }, "parquet");
    assert.deepEqual(
      await inDuckDB(
        `SELECT session, user, subject, groups, sql, epoch_us(time) AS time, status FROM read_parquet('${file}') ORDER BY time`,
      ),
      [
        {
          ...{ session: other, user: "bob", subject: "local:bob", groups: ["analysts"], sql: hostile },
          ...{ time: "4000500", status: "200" },
        },
        { session: null, user: null, subject: null, groups: null, sql: null, time: "5000000", status: "403" },
      ],
    );
  },
);

test("header values that no UTF-8 can say are made well-formed", limit, async () => {
  const { requested, ...rest } = query({ session: SESSION });
  const headers = [["x-evil", "a\ud800\0\r\n\u2028"]] as const;
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir)
    .events(gatewayStarted(), sessionStarted(SESSION))
    .exchange({ ...rest, requested: { ...requested, request: { ...requested.request, headers } } });
  ingestAll(dataDir, journal);
  const file = await exportedFile(dataDir, SESSION, "parquet");
  assert.deepEqual(await inDuckDB(`SELECT request_headers AS headers FROM read_parquet('${file}')`), [
    { headers: [{ name: "x-evil", value: "a\ufffd\0\r\n\u2028" }] },
  ]);
});

test("nothing selected is a file with columns and no rows", limit, async () => {
  const dataDir = temporaryDirectory();
  ingestAll(dataDir, new HandWrittenJournal(dataDir).events(gatewayStarted()));
  const file = await exportedFile(dataDir, { since: 3_000 }, "parquet");
  assert.deepEqual(await inDuckDB(`SELECT count(*) AS n, count(sql) AS sql FROM read_parquet('${file}')`), [
    { n: "0", sql: "0" },
  ]);
});

async function inDuckDB(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
