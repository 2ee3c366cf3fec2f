import assert from "node:assert/strict";
import { test } from "node:test";
import { Loader, type RefusedRow } from "../../../src/archive/warehouse/load.ts";
import { prepareDataset } from "../../../src/archive/warehouse/schema.ts";
import { Spool } from "../../../src/archive/warehouse/spool.ts";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { Bench } from "../../sandbox/support.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { limitProcess } from "../../support/time-limit.ts";

limitProcess(60_000);

const limit = { timeout: 30_000 };
const bench = Bench.forThisFile({ rows: 1 });

test("the same load is in the table once, however often it is loaded", limit, async (t) => {
  const { load, rows } = await dataset(t);
  const given = [gap(1), gap(2), gap(3)];
  await load("once", given);
  await load("once", given);
  assert.deepEqual(await rows("SELECT first FROM {}.gaps ORDER BY first"), [["1"], ["2"], ["3"]]);
});

test(
  "a row that BigQuery refuses for itself is told and kept, and the others are loaded",
  limit,
  async (t) => {
    const { load, rows } = await dataset(t);
    const given = Array.from({ length: 9 }, (_, index) => gap(index));
    given[4] = { ...gap(4), time: "no time" };
    given[7] = { ...gap(7), surprise: 1 };
    const refused = await load("some-bad", given);
    assert.deepEqual(
      refused.map(({ row }) => JSON.parse(row)),
      [given[4], given[7]],
    );
    assert.match(refused[1]?.reason ?? "", /no such field: surprise/);
    assert.deepEqual(await rows("SELECT COUNT(*), COUNT(DISTINCT event_id) FROM {}.gaps"), [["7", "7"]]);
  },
);

test(
  "when BigQuery refuses row after row it is not the rows: nothing is skipped, and it can be mended",
  limit,
  async (t) => {
    const { load, rows } = await dataset(t);
    const given = Array.from({ length: 64 }, (_, index) => ({ ...gap(index), added_later: "x" }));
    await assert.rejects(load("all-bad", given), {
      name: "ArchiveError",
      message:
        /refuses more than 20 rows of one load into .*\.gaps, the last with ".*no such field: added_later/,
    });
    assert.deepEqual(await rows("SELECT COUNT(*) FROM {}.gaps"), [["0"]]);
    await rows("ALTER TABLE {}.gaps ADD COLUMN added_later STRING");
    assert.deepEqual(await load("all-bad", given), []);
    assert.deepEqual(await rows("SELECT COUNT(*), COUNT(DISTINCT event_id) FROM {}.gaps"), [["64", "64"]]);
  },
);

test(
  "what was loaded in parts before the rest was refused is not loaded again when that is mended",
  limit,
  async (t) => {
    const { load, rows } = await dataset(t);
    const good = Array.from({ length: 24 }, (_, index) => gap(index));
    const given = [...good, ...good.map((row) => ({ ...row, event_id: uuidv7(), added_later: "x" }))];
    await assert.rejects(load("half-bad", given), { message: /refuses more than 20 rows/ });
    assert.deepEqual(await rows("SELECT COUNT(*) FROM {}.gaps"), [["24"]]);
    await rows("ALTER TABLE {}.gaps ADD COLUMN added_later STRING");
    assert.deepEqual(await load("half-bad", given), []);
    assert.deepEqual(await rows("SELECT COUNT(*), COUNT(DISTINCT event_id) FROM {}.gaps"), [["48", "48"]]);
  },
);

test("who finds its load in the table together with others does not go on", limit, async (t) => {
  const { load } = await dataset(t);
  await load("shared", [gap(1)], { "bqtape-next": "7" });
  await assert.rejects(load("shared", [gap(1), gap(2)], { "bqtape-next": "8" }), {
    message: /another reader of this group has loaded .*: start again/,
  });
});

let count = 0;

async function dataset(t: { after(run: () => void): void }) {
  count += 1;
  const id = `loads_${count}`;
  const client = bench.client();
  const location = await prepareDataset(client, { dataset: id }, undefined);
  return {
    rows: (sql: string) => bench.rows(sql.replaceAll("{}", id)),
    /** Resolves with what was refused. */
    async load(name: string, rows: readonly object[], labels: Readonly<Record<string, string>> = {}) {
      const refused: RefusedRow[] = [];
      const spool = new Spool(temporaryDirectory());
      t.after(() => spool.close());
      spool.append(rows.map((row) => JSON.stringify(row)));
      const loader = new Loader({
        ...{ client, location, project: bench.sandbox.project, dataset: id },
        onTrouble: (message) => assert.fail(message),
        onRefused: (row) => void refused.push(row),
      });
      const given = { table: "gaps" as const, id: `${id}-${name}`, labels, rows: spool };
      await loader.load(given, new AbortController().signal);
      return refused;
    },
  };
}

function gap(first: number): object {
  return {
    event_id: uuidv7(),
    time: "2026-11-05T10:00:00Z",
    gateway: "g",
    sequence: first,
    first,
    behind: first + 1,
  };
}
