import assert from "node:assert/strict";
import { test } from "node:test";
import type { Agent } from "./support/agent.ts";
import { summary } from "./support/agent.ts";
import { gatewayBeforeSandbox } from "./support/gateways.ts";
import { programFor } from "./support/parts.ts";

interface Answer {
  readonly rows?: readonly { readonly f: readonly { readonly v: string }[] }[];
  readonly jobReference?: { readonly jobId: string; readonly location: string };
  readonly pageToken?: string;
  readonly totalRows?: string;
  readonly error?: { readonly code: number; readonly message: string };
}

const ORIGIN = "https://bigquery.googleapis.com/bigquery/v2/projects";
const JSON_TYPE = ["--header", "content-type: application/json"];

async function curl(agent: Agent, args: readonly string[]): Promise<Answer> {
  return (await agent.runJson("curl", ["--silent", "--show-error", "--compressed", ...args])) as Answer;
}

test("curl works through the gateway, with what bqtape env prints and no option of its own", {
  timeout: 60_000,
}, async (t) => {
  if (programFor(t, "curl") === undefined) return;
  const { project, agent: newAgent } = await gatewayBeforeSandbox(t);
  const ask = (agent: Agent, body: object, more: readonly string[] = []) =>
    curl(agent, [`${ORIGIN}/${project}/queries`, ...JSON_TYPE, "--data", JSON.stringify(body), ...more]);

  await t.test("a query is answered and recorded; the credential that curl sends is replaced", async () => {
    const agent = newAgent();
    const query = "SELECT COUNT(*) AS orders FROM shop.orders";
    const token = ["--header", "authorization: Bearer bqtape-placeholder-of-an-agent"];
    const answer = await ask(agent, { query, useLegacySql: false }, token);
    assert.deepEqual(answer.rows, [{ f: [{ v: "6000" }] }]);
    const [exchange, ...others] = await agent.recorded();
    assert.deepEqual(others, []);
    assert.ok(exchange !== undefined);
    assert.deepEqual(summary(exchange), { operation: "jobs.query", status: 200, sql: query, rows: 1 });
    assert.equal(exchange.job, answer.jobReference?.jobId);
  });

  await t.test("a result is read page by page, each recorded with its rows", async () => {
    const agent = newAgent();
    const query = "SELECT order_id FROM shop.orders ORDER BY order_id LIMIT 250";
    let answer = await ask(agent, { query, useLegacySql: false, maxResults: 100 });
    const ids: string[] = [];
    const { jobId, location } = answer.jobReference ?? { jobId: "", location: "" };
    for (;;) {
      ids.push(...(answer.rows ?? []).map(({ f }) => f[0]?.v ?? ""));
      if (answer.pageToken === undefined) break;
      const page = new URLSearchParams({ location, pageToken: answer.pageToken, maxResults: "100" });
      answer = await curl(agent, [
        `${ORIGIN}/${project}/queries/${jobId}?${page}&fields=rows,pageToken,totalRows`,
      ]);
    }
    assert.deepEqual(
      ids,
      Array.from({ length: 250 }, (_, index) => String(index + 1)),
    );
    assert.deepEqual((await agent.recorded()).map(summary), [
      { operation: "jobs.query", status: 200, sql: query, rows: 100 },
      { operation: "jobs.getQueryResults", status: 200, rows: 100 },
      { operation: "jobs.getQueryResults", status: 200, rows: 50 },
    ]);
  });

  await t.test("BigQuery's refusal arrives in BigQuery's words, and is recorded", async () => {
    const agent = newAgent();
    const query = "SELECT * FROM shop.refunds";
    const { error } = await ask(agent, { query, useLegacySql: false });
    assert.equal(error?.code, 404);
    assert.match(error?.message ?? "", /^Not found: Table /);
    const [exchange] = await agent.recorded();
    assert.ok(exchange !== undefined);
    assert.deepEqual(summary(exchange), { operation: "jobs.query", status: 404, sql: query });
    assert.deepEqual(exchange.answerError, { reason: "notFound", message: error?.message });
  });
});
