import assert from "node:assert/strict";
import { test } from "node:test";
import { program, summary } from "./support/agent.ts";
import { gatewayBeforeEmulator } from "./support/gateways.ts";
import { partFor } from "./support/parts.ts";

/** The client's first request: a token for its service account, which the gateway answers. */
const TOKEN = { operation: "oauth2.token", status: 200 };
const PETS = [
  ["Rex", 4],
  ["Tweety", 2],
];

test("google-cloud-bigquery for Python works through the gateway", { timeout: 120_000 }, async (t) => {
  const python = partFor(t, "python");
  const emulator = partFor(t, "emulator");
  if (python === undefined || emulator === undefined) return;
  const { agent: newAgent } = await gatewayBeforeEmulator(t, emulator);

  /** What `agents/python_bigquery.py` got when it did what it is told, and what was recorded of that. */
  async function did(deed: string) {
    const agent = newAgent();
    const got = await agent.runJson(python ?? "", [program("python_bigquery.py"), deed]);
    const exchanges = await agent.recorded();
    return { got, exchanges, recorded: exchanges.map(summary) };
  }

  await t.test("a query gives its row", async () => {
    const { got, recorded } = await did("query");
    assert.deepEqual(got, [{ orders: 300 }]);
    const sql = "SELECT COUNT(*) AS orders FROM shop.orders";
    assert.deepEqual(recorded, [TOKEN, { operation: "jobs.query", status: 200, sql, rows: 1 }]);
  });

  await t.test("a query with parameters gives its row, by a job and its reading", async () => {
    const { got, recorded } = await did("parameters");
    assert.deepEqual(got, [{ order_id: 42, amount: 63 }]);
    const sql = "SELECT order_id, amount FROM shop.orders WHERE order_id = @id AND product = @product";
    assert.deepEqual(recorded, [
      TOKEN,
      { operation: "jobs.insert", status: 200, sql },
      { operation: "jobs.getQueryResults", status: 200, rows: 0 },
      { operation: "jobs.getQueryResults", status: 200, rows: 1 },
    ]);
  });

  await t.test("a result is read page by page, the later ones without a schema", async () => {
    const { got, exchanges, recorded } = await did("pages");
    const ids = Array.from({ length: 300 }, (_, index) => index + 1);
    assert.deepEqual(got, [ids.slice(0, 120), ids.slice(120, 240), ids.slice(240)]);
    const sql = "SELECT order_id FROM shop.orders ORDER BY order_id";
    assert.deepEqual(recorded, [
      TOKEN,
      { operation: "jobs.insert", status: 200, sql },
      { operation: "jobs.getQueryResults", status: 200, rows: 120 },
      { operation: "jobs.getQueryResults", status: 200, rows: 120 },
      { operation: "jobs.getQueryResults", status: 200, rows: 60 },
    ]);
    assert.match(exchanges[3]?.target ?? "", /fields=jobReference%2CtotalRows%2CpageToken%2Crows/);
  });

  await t.test("rows are inserted as they are, and read back by tabledata.list", async () => {
    const { got, exchanges, recorded } = await did("insert");
    assert.deepEqual(got, PETS);
    assert.deepEqual(recorded, [
      TOKEN,
      { operation: "tables.insert", status: 200 },
      { operation: "tabledata.insertAll", status: 200 },
      { operation: "tabledata.list", status: 200, rows: 2 },
    ]);
    assert.deepEqual(
      exchanges.slice(2).map(({ dataset, table }) => `${dataset}.${table}`),
      ["shop.inserted", "shop.inserted"],
    );
  });

  await t.test("rows are loaded by a multipart upload, recorded with its table", async () => {
    const { got, exchanges } = await did("load");
    assert.deepEqual(got, PETS);
    const [, upload] = exchanges;
    assert.match(upload?.target ?? "", /^\/upload\/.*uploadType=multipart/);
    assert.deepEqual(
      [upload?.operation, upload?.status, upload?.dataset, upload?.table],
      ["jobs.insert", 200, "shop", "loaded"],
    );
  });

  await t.test("a file of unknown length is loaded by a resumable upload, each step recorded", async () => {
    const { got, exchanges } = await did("resumable");
    assert.deepEqual(got, PETS);
    const [, start, chunk] = exchanges;
    assert.match(start?.target ?? "", /^\/upload\/.*uploadType=resumable/);
    assert.deepEqual(
      [start?.operation, start?.status, start?.dataset, start?.table],
      ["jobs.insert", 200, "shop", "resumed"],
    );
    assert.match(chunk?.target ?? "", /^\/upload\/.*upload_id=/);
    assert.deepEqual([chunk?.method, chunk?.operation, chunk?.status], ["PUT", "jobs.insert", 200]);
  });

  await t.test("a table is read as Arrow by the Storage Read API, recorded with its table", async () => {
    const { got, exchanges } = await did("arrow");
    assert.deepEqual(got, { rows: 300, columns: ["order_id", "product", "amount"], sum: 45_150 });
    const reads = exchanges.filter(({ operation }) => operation?.startsWith("storage."));
    assert.deepEqual(
      reads.map(({ operation, status, dataset, table }) => [operation, status, dataset, table]),
      [
        ["storage.CreateReadSession", 200, "shop", "orders"],
        ["storage.ReadRows", 200, "shop", "orders"],
      ],
    );
  });
});
