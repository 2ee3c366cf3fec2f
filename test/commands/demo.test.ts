import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReportedExchange } from "../../src/demo/report.ts";
import { bqtape } from "../support/command.ts";

interface Demo {
  readonly gateway: { readonly proxy: string; readonly control: string };
  readonly session: { readonly id: string; readonly user: string };
  readonly exchanges: readonly ReportedExchange[];
}

test("the demo records a real client's session, whole, and its digests are the client's own", {
  timeout: 120_000,
}, async (t) => {
  const ran = await bqtape(["demo", "--once", "--json"], { timeout: 120_000 });
  assert.equal(ran.code, 0, ran.stderr);
  const { session, exchanges } = JSON.parse(ran.stdout) as Demo;
  const statements = exchanges.filter(({ sql }) => sql !== null);

  await t.test("it ran a SELECT, a parameterised query, a paged one, an INSERT and a failing one", () => {
    assert.deepEqual(
      statements.map(({ operation, status }) => [operation, status]),
      [
        ["jobs.query", 200],
        ["jobs.query", 200],
        ["jobs.insert", 200],
        ["jobs.insert", 200],
        ["jobs.query", 404],
      ],
    );
  });

  await t.test("every exchange has its user, status, outcome, bytes and both digests", () => {
    for (const exchange of exchanges) {
      assert.equal(exchange.user, session.user);
      assert.equal(exchange.outcome, "complete");
      assert.ok(exchange.status !== null && exchange.status >= 200);
      assert.ok(exchange.bytes.response > 0);
      assert.match(exchange.requestSha256 ?? "", /^[0-9a-f]{64}$/);
      assert.match(exchange.responseSha256 ?? "", /^[0-9a-f]{64}$/);
    }
  });

  await t.test("every statement that BigQuery took has its job id", () => {
    for (const { jobId, status, sql } of statements) assert.ok(status !== 200 || jobId !== null, String(sql));
  });

  await t.test("the 5,000 rows were read in five pages", () => {
    const pages = exchanges.filter(
      ({ operation, rows }) => operation === "jobs.getQueryResults" && rows === 1000,
    );
    assert.equal(pages.length, 5);
  });

  await t.test("the recorded digests are those that the client's process computed", () => {
    for (const { client, requestSha256, responseSha256 } of exchanges) {
      assert.deepEqual(client, { requestSha256, responseSha256 });
    }
  });
});
