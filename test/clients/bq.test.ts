import assert from "node:assert/strict";
import { test } from "node:test";
import { summary } from "./support/agent.ts";
import { gatewayBeforeSandbox } from "./support/gateways.ts";
import { installed } from "./support/parts.ts";

test("bq of the Google Cloud SDK works through the gateway", { timeout: 120_000 }, async (t) => {
  // No package manager that the set-up could use brings it, so CI may be without it.
  if (!installed("bq")) return t.skip("bq is not installed");
  const { agent: newAgent } = await gatewayBeforeSandbox(t);

  await t.test("bq query prints the rows; the job and its reading are recorded", async () => {
    const agent = newAgent();
    const sql = "SELECT order_id, product FROM shop.orders ORDER BY order_id LIMIT 2";
    const options = ["--headless", "--format=json", "query", "--nouse_legacy_sql"];
    assert.deepEqual(await agent.runJson("bq", [...options, sql]), [
      { order_id: "1", product: "lantern" },
      { order_id: "2", product: "tent" },
    ]);
    const exchanges = await agent.recorded();
    const bigquery = exchanges.filter(({ operation }) => operation !== "oauth2.token").map(summary);
    assert.deepEqual(bigquery[0], { operation: "jobs.insert", status: 200, sql });
    assert.deepEqual(bigquery.at(-1), { operation: "jobs.getQueryResults", status: 200, rows: 2 });
  });
});
