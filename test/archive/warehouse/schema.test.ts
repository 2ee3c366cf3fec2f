import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDataset, prepareDataset } from "../../../src/archive/warehouse/schema.ts";
import { TABLES } from "../../../src/archive/warehouse/tables.ts";
import { Bench } from "../../sandbox/support.ts";

const limit = { timeout: 30_000 };
const bench = Bench.forThisFile({ rows: 1 });

test("tables are made, by day of the event and clustered", limit, async () => {
  await prepareDataset(bench.client(), { dataset: "fresh" }, "US");
  const { body } = await bench.call("GET", "/datasets/fresh/tables/exchanges");
  assert.deepEqual(body.timePartitioning, { type: "DAY", field: "time" });
  assert.deepEqual(body.clustering, { fields: ["user", "operation"] });
  assert.deepEqual(
    body.schema.fields.map(({ name, type, mode }: Record<string, string>) => [name, type, mode]),
    TABLES.exchanges.columns.map(({ name, type, mode }) => [name, type, mode]),
  );
  // To look again changes nothing.
  await prepareDataset(bench.client(), { dataset: "fresh" }, undefined);
});

test("columns that are new are added behind those that are there, which stay", limit, async () => {
  await bench.rows("CREATE SCHEMA older");
  const [first, second] = [TABLES.gaps.columns.slice(0, 4), { name: "mine", type: "STRING" }];
  await table("older", [...first, second]);
  await prepareDataset(bench.client(), { dataset: "older" }, undefined);
  const { body } = await bench.call("GET", "/datasets/older/tables/gaps");
  const added = TABLES.gaps.columns.slice(4).map(({ name }) => name);
  assert.deepEqual(
    body.schema.fields.map(({ name }: { name: string }) => name),
    [...first.map(({ name }) => name), "mine", ...added],
  );
});

test("a table that rows do not fit is refused in words, and left alone", limit, async () => {
  await bench.rows("CREATE SCHEMA other");
  const cases = [
    [
      [{ name: "time", type: "STRING", mode: "REQUIRED" }],
      /other\.gaps is not one that bqtape can write: event_id is missing/,
    ],
    [[...TABLES.gaps.columns.slice(0, 4), { name: "first", type: "STRING" }], /first is STRING, not INTEGER/],
    [
      [...TABLES.gaps.columns, { name: "theirs", type: "STRING", mode: "REQUIRED" }],
      /theirs is REQUIRED, and bqtape does not know it/,
    ],
    [
      [...TABLES.gaps.columns.slice(0, 6), { name: "reason", type: "STRING", mode: "REPEATED" }],
      /reason is REPEATED, not NULLABLE/,
    ],
  ] as const;
  for (const [fields, message] of cases) {
    await table("other", fields);
    await assert.rejects(prepareDataset(bench.client(), { dataset: "other" }, undefined), {
      name: "ArchiveError",
      message,
    });
    const { body } = await bench.call("GET", "/datasets/other/tables/gaps");
    assert.equal(body.schema.fields.length, fields.length);
    await bench.call("DELETE", "/datasets/other/tables/gaps");
  }
});

test("a dataset is named project.dataset", () => {
  assert.deepEqual(parseDataset("my-project.audit"), { project: "my-project", dataset: "audit" });
  assert.deepEqual(parseDataset("example.com:p.audit"), { project: "example.com:p", dataset: "audit" });
  for (const text of ["audit", "", "p.", ".d", "p.d`", "p.a b", "p.d;"])
    assert.equal(parseDataset(text), undefined, text);
});

async function table(dataset: string, fields: readonly object[]): Promise<void> {
  const tableReference = { projectId: bench.sandbox.project, datasetId: dataset, tableId: "gaps" };
  const { status, body } = await bench.call("POST", `/datasets/${dataset}/tables`, {
    tableReference,
    schema: { fields },
  });
  assert.equal(status, 200, JSON.stringify(body));
}
