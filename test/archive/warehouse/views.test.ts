import assert from "node:assert/strict";
import { test } from "node:test";
import { BigQuery } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import { Loader } from "../../../src/archive/warehouse/load.ts";
import { prepareDataset } from "../../../src/archive/warehouse/schema.ts";
import { createViews } from "../../../src/archive/warehouse/views.ts";
import { startEmulator } from "../../clients/support/emulator.ts";
import { partFor } from "../../clients/support/parts.ts";
import { MemoryJournal } from "../../delivery/records/journal.ts";
import { limitProcess } from "../../support/time-limit.ts";
import { ANSWER, gatewayStarted, query, refusal, sessionStarted } from "../support.ts";
import { loadRows, rowsOf } from "./support.ts";

/* The views are GoogleSQL, so they are tried where GoogleSQL is: in the emulator. */

limitProcess(100_000);

const PROJECT = "audit-project";
const DATASET = "audit";
const DAY_1 = Date.UTC(2026, 10, 5, 9);
const DAY_2 = Date.UTC(2026, 10, 6, 9);

test("the warehouse's views answer the usual questions", { timeout: 90_000 }, async (t) => {
  const binary = partFor(t, "emulator");
  if (binary === undefined) return;
  const { rest } = await startEmulator(t, binary, PROJECT);
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: "x", expiry_date: Date.now() + 3_600_000 });
  const client = new BigQuery({ projectId: PROJECT, apiEndpoint: rest, authClient });
  const location = await prepareDataset(client, { dataset: DATASET }, undefined);
  const loader = new Loader({
    ...{ client, location, project: PROJECT, dataset: DATASET },
    onTrouble: (message) => assert.fail(message),
    onRefused: ({ reason }) => assert.fail(reason),
  });
  await loadRows(loader, rowsOf(journal()));
  await createViews(client, { project: PROJECT, dataset: DATASET });
  const ask = async (columns: string, view: string, order: string): Promise<unknown[][]> => {
    const [rows] = await client.query(`SELECT ${columns} FROM ${DATASET}.${view} ORDER BY ${order}`);
    return rows.map((row: object) => Object.values(row).map((value) => value?.value ?? value));
  };

  await t.test("who reads most", async () => {
    const columns = "day, user, exchanges, sessions, statements, bytes_processed";
    assert.deepEqual(await ask(columns, "top_users_by_bytes", "day, bytes_processed DESC, user"), [
      ["2026-11-05", "alice", 4, 1, 2, 24690],
      ["2026-11-05", null, 1, 0, 0, 0],
      ["2026-11-06", "bob", 2, 1, 2, 12345],
    ]);
  });

  await t.test("what was denied, by which rule", async () => {
    assert.deepEqual(await ask("rule, user, refusals, reason", "denied_by_rule", "rule"), [
      ["host-refused", null, 1, "evil.example is not a host of BigQuery"],
    ]);
  });

  await t.test("which tables were touched by whom", async () => {
    assert.deepEqual(
      await ask("table_path, user, told_by, exchanges", "tables_touched", "table_path, user"),
      [
        ["hr.pay-2026", "bob", "sql", 1],
        ["shop-project.shop.orders", "alice", "request", 1],
        ["shop.customers", "alice", "sql", 1],
        ["shop.orders", "alice", "sql", 2],
      ],
    );
  });

  await t.test("the slowest statements", async () => {
    const found = await ask("user, total, sql", "slowest_statements", "total DESC, time");
    assert.equal(found.length, 3);
    assert.deepEqual(found[0], ["alice", 25, "SELECT * FROM shop.orders"]);
  });

  await t.test("sessions per day", async () => {
    assert.deepEqual(await ask("day, started, users, ended, revoked, refused", "sessions_per_day", "day"), [
      ["2026-11-05", 1, 1, 0, 0, 4],
      ["2026-11-06", 1, 1, 1, 0, 0],
    ]);
  });

  await t.test("exchanges without end", async () => {
    assert.deepEqual(await ask("outcome, user, operation", "exchanges_without_end", "time"), [
      ["incomplete", "bob", "jobs.query"],
    ]);
  });
});

function journal(): MemoryJournal {
  const source = { address: "10.0.0.1", port: 1 };
  const cut = query({ session: "two", user: "bob", time: DAY_2, sql: "SELECT 'cut short'" });
  const listed = query({ session: "one", time: DAY_1, response: {} });
  // It tells of job_1 again.
  const page = query({ session: "one", time: DAY_1 + 7 });
  const operation = { name: "tabledata.list", project: "shop-project", dataset: "shop", table: "orders" };
  const { principal } = sessionStarted("two", "bob");
  return new MemoryJournal()
    .events(gatewayStarted("run", DAY_1), sessionStarted("one", "alice", DAY_1))
    .exchange(query({ session: "one", time: DAY_1, sql: "SELECT * FROM shop.orders" }))
    .exchange(
      query({
        ...{ session: "one", time: DAY_1 + 5, response: { ...ANSWER, jobReference: { jobId: "job_2" } } },
        sql: "SELECT a FROM shop.orders JOIN `shop.customers` USING (id)",
      }),
    )
    .exchange({ ...listed, requested: { ...listed.requested, operation } })
    .exchange({ ...page, requested: { ...page.requested, operation: { name: "jobs.getQueryResults" } } })
    .events(refusal(DAY_1), {
      type: "identity.refused",
      time: DAY_1,
      source,
      reason: "expired",
      suppressed: 3,
    })
    .events(sessionStarted("two", "bob", DAY_2))
    .exchange(
      query({
        ...{ session: "two", user: "bob", time: DAY_2, sql: "DELETE FROM `hr.pay-2026` WHERE TRUE" },
        response: { ...ANSWER, jobReference: { jobId: "job_3" } },
      }),
    )
    .events({ type: "session.ended", time: DAY_2, session: "two", principal, because: "owner" })
    .events(cut.requested, gatewayStarted("next", DAY_2 + 1_000));
}
