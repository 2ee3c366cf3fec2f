import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type ToWarehouseOptions, warehouseFromKafka } from "../../../src/archive/warehouse/from-kafka.ts";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { deliveryUnder, type Under } from "../../delivery/under.ts";
import { startCluster } from "../../kafka/cluster.ts";
import { Bench } from "../../sandbox/support.ts";
import { bqtape } from "../../support/command.ts";
import { testConfig } from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { limitProcess } from "../../support/time-limit.ts";
import { gatewayStarted, query, refusal, sessionStarted } from "../support.ts";

limitProcess(190_000);

/** What the next requests for load jobs meet. */
const uploads = { allow: Number.POSITIVE_INFINITY, refuse: 0, seen: 0 };
/** Told of requests. */
let onAsked: (url: string) => void = () => undefined;
const bench = Bench.forThisFile({
  rows: 1,
  onRequest: ({ url }) => {
    onAsked(url);
    if (!url.startsWith("/upload/")) return;
    uploads.seen += 1;
    uploads.allow -= 1;
    if (uploads.allow >= 0) return;
    uploads.refuse -= 1;
    if (uploads.refuse >= 0) throw new Error("BigQuery is away");
    uploads.allow = Number.POSITIVE_INFINITY;
  },
});

test("a warehouse of what gateways delivered", { timeout: 180_000 }, async (t) => {
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const limit = { timeout: 40_000 };

  await t.test("has a row for each exchange, session event and gap", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    const exchange = query({ session, time: Date.now(), sql: "SELECT 'a'" });
    under.journals[0].events(started(), sessionStarted(session, "alice", Date.now()), refusal(Date.now()));
    under.journals[0].exchange(exchange);
    await deliver(under);
    const { dataset, read, rows } = warehouseUnder(under);
    assert.deepEqual(await read(), []);
    const [row] = await rows(
      `SELECT exchange, user, session, sql, outcome, status, job, answer_rows, bytes_processed, phases.total,
       FORMAT_TIMESTAMP('%F', time), user_groups[OFFSET(0)] FROM ${dataset}.exchanges WHERE outcome = 'complete'`,
    );
    const { requested } = exchange;
    assert.deepEqual(row, [
      ...[
        requested.exchange,
        "alice",
        session,
        "SELECT 'a'",
        "complete",
        "200",
        "job_1",
        "2",
        "12345",
        "25.0",
      ],
      ...[new Date(requested.time).toISOString().slice(0, 10), "analysts"],
    ]);
    const denied = `SELECT effect, authority, status, user FROM ${dataset}.exchanges WHERE outcome = 'denied'`;
    assert.deepEqual(await rows(denied), [["deny", "evil.example:443", "403", null]]);
    assert.deepEqual(await rows(`SELECT event, session, user FROM ${dataset}.sessions`), [
      ["started", session, "alice"],
    ]);
  });

  await t.test("goes on where it stopped", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    under.journals[0].events(started(), sessionStarted(session, "alice", Date.now()));
    const { dataset, read, rows } = warehouseUnder(under);
    for (let round = 1; round <= 2; round += 1) {
      under.journals[0].exchange(query({ session, time: Date.now() }));
      await deliver(under);
      assert.deepEqual(await read(), []);
      assert.deepEqual(await rows(`SELECT COUNT(*) FROM ${dataset}.exchanges`), [[String(round)]]);
    }
    assert.deepEqual(await rows(`SELECT COUNT(*) FROM ${dataset}.sessions`), [["1"]]);
  });

  await t.test("finds loaded what was not committed, wherever batches ended", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    const { dataset, read, rows } = warehouseUnder(under);
    const exchanges = (count: number) => {
      for (let each = 0; each < count; each += 1)
        under.journals[0].exchange(query({ session, time: Date.now() }));
    };
    under.journals[0].events(started(), sessionStarted(session, "alice", Date.now()));
    exchanges(7);
    await deliver(under);
    await read({ batchBytes: 4_000 });
    exchanges(5);
    await deliver(under);
    uploads.seen = 0;
    // A group that is new has committed nothing: it stands for a reader that crashed before it could.
    assert.deepEqual(await read({ group: `other-${uuidv7()}` }), []);
    const [[total, different] = []] = await rows(
      `SELECT COUNT(*), COUNT(DISTINCT event_id) FROM ${dataset}.exchanges`,
    );
    assert.deepEqual([total, different], ["12", "12"]);
    assert.ok(uploads.seen > 0);
  });

  await t.test("finishes a batch of which a part was loaded, as it was", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    under.journals[0]
      .events(started(), sessionStarted(session, "alice", Date.now()))
      .exchange(query({ session, time: Date.now() }));
    await deliver(under);
    const { dataset, start, read, rows } = warehouseUnder(under);
    Object.assign(uploads, { allow: 1, refuse: Number.POSITIVE_INFINITY });
    const crash = new AbortController();
    await start({ onTrouble: () => crash.abort() }, crash.signal);
    assert.deepEqual(await rows(`SELECT COUNT(*) FROM ${dataset}.sessions`), [["1"]]);
    assert.deepEqual(await rows(`SELECT COUNT(*) FROM ${dataset}.exchanges`), [["0"]]);
    uploads.refuse = 0;
    under.journals[0].exchange(query({ session, time: Date.now() }));
    await deliver(under);
    assert.deepEqual(await read(), []);
    assert.deepEqual(await rows(`SELECT COUNT(*) FROM ${dataset}.sessions`), [["1"]]);
    assert.deepEqual(await rows(`SELECT COUNT(*) FROM ${dataset}.exchanges`), [["2"]]);
  });

  await t.test("tries again while BigQuery is away, and commits nothing meanwhile", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    under.journals[0].events(started()).exchange(query({ session, time: Date.now() }));
    await deliver(under);
    const { dataset, read, rows } = warehouseUnder(under);
    Object.assign(uploads, { allow: 0, refuse: 2 });
    const troubles = await read();
    assert.equal(troubles.length, 2);
    assert.match(
      troubles[0] ?? "",
      /^1 rows for .*\.exchanges \(job bqtape_exchanges_[0-9a-f]{40}\) are not taken/,
    );
    assert.deepEqual(await rows(`SELECT COUNT(*) FROM ${dataset}.exchanges`), [["1"]]);
  });

  for (const [what, url, failing] of [
    ["asks what was loaded before", /\/jobs\/bqtape_/, false],
    ["waits for BigQuery, which is away", /\/datasets\//, true],
  ] as const)
    await t.test(`is left without an error when it is stopped while it ${what}`, limit, async (t) => {
      const under = deliveryUnder(t, cluster);
      under.journals[0].events(started()).exchange(query({ session: uuidv7(), time: Date.now() }));
      await deliver(under);
      const { start } = warehouseUnder(under);
      const stop = new AbortController();
      t.after(() => {
        onAsked = () => undefined;
      });
      onAsked = (asked) => {
        if (!url.test(asked)) return;
        stop.abort();
        if (failing) throw new Error("BigQuery is away");
      };
      await start({ once: false, interval: 100 }, stop.signal);
      assert.ok(stop.signal.aborted);
    });

  await t.test("is kept by readers that share the work, come and go", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    under.journals[0].events(started());
    await deliver(under);
    const { dataset, start, rows } = warehouseUnder(under);
    const readers = Array.from({ length: 2 }, () => new AbortController());
    const running = readers.map((reader, index) =>
      delay(index * 1_500).then(() =>
        start({ once: false, interval: 100, directory: temporaryDirectory() }, reader.signal),
      ),
    );
    const all = async (count: number): Promise<void> => {
      const counted = `SELECT COUNT(*), COUNT(DISTINCT event_id) FROM ${dataset}.exchanges`;
      for (let found: unknown[] = []; found[0] !== String(count); ) {
        [found = []] = await rows(counted).catch(() => []);
        if (found[0] !== String(count)) await delay(50);
        else assert.equal(found[1], found[0]);
      }
    };
    for (let round = 1; round <= 3; round += 1) {
      for (let each = 0; each < 20; each += 1)
        under.journals[0].exchange(query({ session: uuidv7(), time: Date.now() }));
      await deliver(under);
      // One of them leaves while it may be at work.
      if (round === 2) readers[0]?.abort();
      await all(round * 20);
    }
    readers[1]?.abort();
    await Promise.all(running);
  });

  await t.test("is kept by bqtape archive --to bigquery, with the gateway's credential", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    under.journals[0].events(started()).exchange(query({ session: uuidv7(), time: Date.now() }));
    await deliver(under);
    const file = join(temporaryDirectory(), "bqtape.yaml");
    const { brokers, topics } = under.kafka;
    const config = { ...testConfig(temporaryDirectory(), bench.sandbox), kafka: { brokers, topics } };
    writeFileSync(file, JSON.stringify(config));
    const args = ["archive", "--config", file, "--from", "kafka", "--to", "bigquery", "--once"];
    const { code, stderr } = await bqtape([...args, "--dataset", `${bench.sandbox.project}.by_command`], {
      // The gateway itself, say: bqtape's own way to BigQuery does not lead through it.
      env: { HTTPS_PROXY: "http://127.0.0.1:1", HTTP_PROXY: "http://127.0.0.1:1" },
    });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(await bench.rows("SELECT COUNT(*) FROM by_command.exchanges"), [["1"]]);
    const nowhere = await bqtape(args);
    assert.deepEqual(
      [nowhere.code, nowhere.stderr],
      [2, "bqtape: --to bigquery: name where to, --dataset PROJECT.DATASET\n"],
    );
  });

  await t.test("loads by itself what has waited long enough", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    under.journals[0].events(started()).exchange(query({ session: uuidv7(), time: Date.now() }));
    await deliver(under);
    const { dataset, start, rows } = warehouseUnder(under);
    const stop = new AbortController();
    const running = start({ once: false, interval: 200 }, stop.signal);
    while ((await rows(`SELECT COUNT(*) FROM ${dataset}.exchanges`).catch(() => []))[0]?.[0] !== "1");
    stop.abort();
    await running;
  });
});

async function deliver(under: Under): Promise<void> {
  under.publish();
  const delivery = await under.start();
  // To close it gives up what Kafka does not take at once, as of topics that were made this moment.
  const [journal] = under.journals;
  await delivery.delivered(journal.name, journal.end);
  await delivery.close();
}

/** Of now, as all records here: Kafka deletes those whose time is long ago, half a minute after its start. */
function started() {
  return gatewayStarted(uuidv7(), Date.now());
}

let count = 0;

/** A dataset of its own. */
function warehouseUnder({ kafka }: Under) {
  count += 1;
  const dataset = `audit_${count}`;
  const group = `warehouse-${uuidv7()}`;
  const directory = temporaryDirectory();
  const troubles: string[] = [];
  const start = (more: Partial<ToWarehouseOptions>, signal: AbortSignal): Promise<void> =>
    warehouseFromKafka(
      {
        ...{ project: bench.sandbox.project, dataset, client: bench.client(), kafka, directory, group },
        once: true,
        onTrouble: (message) => void troubles.push(message),
        ...more,
      },
      signal,
    );
  return {
    dataset,
    start,
    rows: (sql: string) => bench.rows(sql),
    /** Loads all that is there; resolves with what was told. */
    async read(more: Partial<ToWarehouseOptions> = {}): Promise<string[]> {
      await start(more, new AbortController().signal);
      return troubles.splice(0);
    },
  };
}
