import assert from "node:assert/strict";
import { test } from "node:test";
import { program } from "./support/agent.ts";
import { gatewayBeforeEmulator } from "./support/gateways.ts";
import { partFor } from "./support/parts.ts";

test("@google-cloud/bigquery-storage for Node reads through the gateway, by gRPC", {
  timeout: 120_000,
}, async (t) => {
  const emulator = partFor(t, "emulator");
  if (emulator === undefined) return;
  const { agent: newAgent } = await gatewayBeforeEmulator(t, emulator);

  /** What `agents/node-storage.ts` got when it did what it is told, and what was recorded of that. */
  async function did(deed: string) {
    const agent = newAgent();
    const got = await agent.runJson(process.execPath, [program("node-storage.ts"), deed]);
    const exchanges = (await agent.recorded()).filter(({ operation }) => operation !== "oauth2.token");
    return { got, exchanges };
  }

  const READ = [
    ["storage.CreateReadSession", 200, "test-project", "shop", "orders"],
    ["storage.ReadRows", 200, "test-project", "shop", "orders"],
  ];

  await t.test("the library's reader gives the rows; the session and its stream are recorded", async () => {
    const { got, exchanges } = await did("reader");
    assert.deepEqual(got, { rows: 300, first: ["1", "item-1"] });
    assert.deepEqual(
      exchanges.map((each) => [each.operation, each.status, each.project, each.dataset, each.table]),
      READ,
    );
  });

  await t.test("CreateReadSession and ReadRows work by themselves, with a condition on rows", async () => {
    const { got, exchanges } = await did("calls");
    assert.deepEqual(got, { rows: 30 });
    assert.deepEqual(
      exchanges.map((each) => [each.operation, each.status, each.project, each.dataset, each.table]),
      READ,
    );
  });

  await t.test("an error's code and message arrive as they were sent, and it is recorded", async () => {
    const { got, exchanges } = await did("error");
    const message = "2 UNKNOWN: failed to get table metadata: table refunds is not found in dataset shop";
    assert.deepEqual(got, { code: 2, message });
    assert.deepEqual(
      exchanges.map(({ operation, dataset, table }) => [operation, dataset, table]),
      [["storage.CreateReadSession", "shop", "refunds"]],
    );
  });
});
