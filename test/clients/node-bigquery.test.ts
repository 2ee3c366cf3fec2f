import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Agent, program, summary } from "./support/agent.ts";
import { gatewayBeforeEmulator, gatewayBeforeSandbox } from "./support/gateways.ts";
import { partFor } from "./support/parts.ts";

/** What `agents/node-bigquery.ts` got when it did what it is told. */
function did(agent: Agent, deed: string, ...more: readonly string[]): Promise<unknown> {
  return agent.runJson(process.execPath, [program("node-bigquery.ts"), deed, ...more]);
}

/** The client's first request: a token for its service account, which the gateway answers. */
const TOKEN = { operation: "oauth2.token", status: 200 };

test("@google-cloud/bigquery for Node works through the gateway", { timeout: 120_000 }, async (t) => {
  const { agent: newAgent } = await gatewayBeforeSandbox(t);

  await t.test("a query with a parameter gives its row", async () => {
    const agent = newAgent();
    assert.deepEqual(await did(agent, "query"), [{ order_id: 42, product: "backpack" }]);
    const sql = "SELECT order_id, product FROM shop.orders WHERE order_id = @id";
    assert.deepEqual((await agent.recorded()).map(summary), [
      TOKEN,
      { operation: "jobs.query", status: 200, sql, rows: 1 },
    ]);
  });

  await t.test("a result is read page by page, each recorded with its rows and their job", async () => {
    const agent = newAgent();
    const ids = Array.from({ length: 250 }, (_, index) => index + 1);
    assert.deepEqual(await did(agent, "pages"), [ids.slice(0, 100), ids.slice(100, 200), ids.slice(200)]);
    const exchanges = await agent.recorded();
    const sql = "SELECT order_id FROM shop.orders ORDER BY order_id LIMIT 250";
    assert.deepEqual(exchanges.map(summary), [
      TOKEN,
      { operation: "jobs.insert", status: 200, sql },
      { operation: "jobs.getQueryResults", status: 200, rows: 100 },
      { operation: "jobs.getQueryResults", status: 200, rows: 100 },
      { operation: "jobs.getQueryResults", status: 200, rows: 50 },
    ]);
    const jobs = new Set(exchanges.slice(1).map(({ job }) => job));
    assert.equal(jobs.size, 1, `one job, not ${[...jobs]}`);
  });

  await t.test("BigQuery's refusal rejects in BigQuery's words, after one request", async () => {
    const agent = newAgent();
    const message = "Not found: Table demo-project:shop.refunds was not found in location US";
    assert.deepEqual(await did(agent, "error"), { code: 404, message });
    const exchanges = await agent.recorded();
    assert.deepEqual(exchanges.map(summary), [
      TOKEN,
      { operation: "jobs.query", status: 404, sql: "SELECT * FROM shop.refunds" },
    ]);
    assert.deepEqual(exchanges[1]?.answerError, { reason: "notFound", message });
  });

  await t.test("a stream of rows is inserted in batches, each recorded with its table", async () => {
    const agent = newAgent();
    assert.deepEqual(await did(agent, "insertStream"), [{ pets: 300, legs: 44_850 }]);
    const exchanges = await agent.recorded();
    const sql = "SELECT COUNT(*) AS pets, SUM(legs) AS legs FROM shop.streamed";
    assert.deepEqual(exchanges.map(summary), [
      TOKEN,
      { operation: "tables.insert", status: 200 },
      ...Array(3).fill({ operation: "tabledata.insertAll", status: 200 }),
      { operation: "jobs.query", status: 200, sql, rows: 1 },
    ]);
    const inserts = exchanges.filter(({ operation }) => operation === "tabledata.insertAll");
    assert.deepEqual(
      inserts.map(({ dataset, table }) => `${dataset}.${table}`),
      Array(3).fill("shop.streamed"),
    );
  });
});

test("@google-cloud/bigquery for Node loads a file through the gateway", { timeout: 120_000 }, async (t) => {
  const emulator = partFor(t, "emulator");
  if (emulator === undefined) return;
  const { agent: newAgent } = await gatewayBeforeEmulator(t, emulator);
  const file = join(temporaryDirectory(), "pets.csv");
  writeFileSync(file, "name,legs\nRex,4\nTweety,2\n");

  await t.test("the rows arrive, and the upload is recorded with its table", async () => {
    const agent = newAgent();
    const rows = [
      { name: "Rex", legs: 4 },
      { name: "Tweety", legs: 2 },
    ];
    assert.deepEqual(await did(agent, "load", file), { errors: [], rows });
    const exchanges = await agent.recorded();
    const upload = exchanges.find(({ target }) => target?.startsWith("/upload/"));
    assert.ok(upload !== undefined);
    assert.deepEqual(
      { ...summary(upload), dataset: upload.dataset, table: upload.table },
      { operation: "jobs.insert", status: 200, dataset: "shop", table: "loaded_by_node" },
    );
    const sql = "SELECT name, legs FROM shop.loaded_by_node ORDER BY name";
    assert.deepEqual(exchanges.slice(-1).map(summary), [
      { operation: "jobs.query", status: 200, sql, rows: 2 },
    ]);
  });
});
