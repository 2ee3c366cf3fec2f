import assert from "node:assert/strict";
import { test } from "node:test";
import { Loader } from "../../../src/archive/warehouse/load.ts";
import { prepareDataset } from "../../../src/archive/warehouse/schema.ts";
import { TABLE_NAMES, TABLES } from "../../../src/archive/warehouse/tables.ts";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { hostileJournal } from "../../delivery/records/hostile.ts";
import { MemoryJournal } from "../../delivery/records/journal.ts";
import { Random } from "../../fuzz/random.ts";
import { Bench } from "../../sandbox/support.ts";
import { limitProcess } from "../../support/time-limit.ts";
import { gatewayStarted, query, sessionStarted } from "../support.ts";
import { loadRows, rowsOf } from "./support.ts";

limitProcess(60_000);

const limit = { timeout: 30_000 };
const bench = Bench.forThisFile({ rows: 1 });

test("an exchange is one row, with what was asked, decided, answered and how long it took", () => {
  const exchange = uuidv7();
  const journal = new MemoryJournal()
    .events(gatewayStarted("run"), sessionStarted("s"))
    .exchange(query({ session: "s", exchange, sql: "SELECT 1" }));
  const { exchanges } = rowsOf(journal);
  assert.equal(exchanges.length, 1);
  assert.partialDeepStrictEqual(exchanges[0], {
    ...{ event_id: `${exchange}/end`, exchange, session: "s", time: "1970-01-01T00:00:02.000Z" },
    ...{ user: "alice", subject: "local:alice", user_groups: ["analysts"], source_address: "127.0.0.1" },
    ...{ operation: "jobs.query", project: "shop-project", sql: "SELECT 1", location: "EU" },
    ...{ effect: "allow", rule: "default", reason: "no policy", outcome: "complete", status: 200 },
    ...{ job: "job_1", answer_rows: 2, total_rows: 2, bytes_processed: 12345, cache_hit: false },
    ...{ ended: "1970-01-01T00:00:02.025Z", phases: { commit: 2, upstreamFirstByte: 20, total: 25 } },
    credential: "sa@shop-project.iam.gserviceaccount.com",
  });
});

test("rows have no column that the tables do not", () => {
  const rows = rowsOf(hostileJournal(new Random(3), 200));
  for (const table of TABLE_NAMES) {
    const names = new Set(TABLES[table].columns.map(({ name }) => name));
    const used = new Set(rows[table].flatMap((row) => Object.keys(row)));
    assert.deepEqual(
      [...used].filter((name) => !names.has(name)),
      [],
    );
  }
});

test("whatever agents and upstreams make gateways record, BigQuery takes the rows", limit, async () => {
  const client = bench.client();
  const location = await prepareDataset(client, { dataset: "hostile" }, undefined);
  const loader = new Loader({
    ...{ client, location, project: bench.sandbox.project, dataset: "hostile" },
    onTrouble: (message) => assert.fail(message),
    onRefused: ({ row, reason }) => assert.fail(`${reason}: ${row}`),
  });
  const rows = rowsOf(hostileJournal(new Random(11), 400));
  await loadRows(loader, rows);
  for (const table of TABLE_NAMES) {
    assert.ok(rows[table].length > 0, table);
    const counted = await bench.rows(`SELECT COUNT(*), COUNT(DISTINCT event_id) FROM hostile.${table}`);
    assert.deepEqual(counted, [[String(rows[table].length), String(rows[table].length)]]);
  }
});
