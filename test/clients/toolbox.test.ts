import assert from "node:assert/strict";
import { test } from "node:test";
import { summary } from "./support/agent.ts";
import { gatewayBeforeEmulator } from "./support/gateways.ts";
import { McpClient } from "./support/mcp.ts";
import { partFor } from "./support/parts.ts";

test("MCP Toolbox works through the gateway, as a model's tool server", { timeout: 120_000 }, async (t) => {
  const toolbox = partFor(t, "toolbox");
  const emulator = partFor(t, "emulator");
  if (toolbox === undefined || emulator === undefined) return;
  const { agent: newAgent, project } = await gatewayBeforeEmulator(t, emulator);

  /** What the model gets for one call of a tool, from a server started for it, and what was recorded of that. */
  async function call(name: string, args: object) {
    const agent = newAgent();
    const options = ["--stdio", "--prebuilt", "bigquery", "--disable-version-check"];
    const mcp = new McpClient(agent.start(toolbox ?? "", options, { BIGQUERY_PROJECT: project }));
    await mcp.initialize();
    const { tools } = (await mcp.request("tools/list")) as { tools: { name: string }[] };
    assert.ok(tools.some((tool) => tool.name === name));
    const result = await mcp.request("tools/call", { name, arguments: args });
    await mcp.close();
    const [token, ...exchanges] = await agent.recorded();
    assert.equal(token?.operation, "oauth2.token");
    // Go's clients speak REST over HTTP/2.
    assert.deepEqual(new Set(exchanges.map(({ httpVersion }) => httpVersion)), new Set(["2.0"]));
    return { result, exchanges };
  }

  await t.test(
    "execute_sql answers the rows; its dry run, its job and their reading are recorded",
    async () => {
      const sql = "SELECT COUNT(*) AS orders FROM shop.orders";
      const { result, exchanges } = await call("execute_sql", { sql });
      assert.deepEqual(result, { content: [{ type: "text", text: '{"orders":300}' }] });
      assert.deepEqual(exchanges.map(summary), [
        { operation: "jobs.insert", status: 200, sql },
        { operation: "jobs.insert", status: 200, sql },
        // The first asks for no rows and waits for the job's end; the second's answer has no schema.
        { operation: "jobs.getQueryResults", status: 200, rows: 0 },
        { operation: "jobs.getQueryResults", status: 200, rows: 1 },
      ]);
      assert.deepEqual(
        exchanges.map(({ dryRun }) => dryRun),
        [true, undefined, undefined, undefined],
      );
      const [job] = exchanges.slice(1).map((exchange) => exchange.job);
      assert.deepEqual(
        exchanges.slice(1).map((exchange) => exchange.job),
        [job, job, job],
      );
    },
  );

  await t.test("execute_sql tells the model why a statement failed, and that is recorded", async () => {
    const sql = "SELECT nope FROM shop.orders";
    const { result, exchanges } = await call("execute_sql", { sql });
    const { isError, content } = result as { isError?: boolean; content: { text: string }[] };
    assert.equal(isError, true);
    assert.match(content[0]?.text ?? "", /Unrecognized name: nope/);
    const last = exchanges.at(-1);
    assert.deepEqual(
      { operation: last?.operation, status: last?.status, reason: last?.answerError?.reason },
      { operation: "jobs.getQueryResults", status: 400, reason: "jobInternalError" },
    );
  });

  await t.test("list_table_ids answers the tables, and is recorded with its dataset", async () => {
    const { result, exchanges } = await call("list_table_ids", { dataset: "shop" });
    assert.deepEqual(result, { content: [{ type: "text", text: '"orders"' }] });
    assert.deepEqual(
      exchanges.map(({ operation, status, dataset }) => ({ operation, status, dataset })),
      [{ operation: "tables.list", status: 200, dataset: "shop" }],
    );
  });
});
