import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readCheckpoint } from "../../src/delivery/checkpoint.ts";
import { readDelivered } from "../../src/delivery/delivered.ts";
import type { DeliveryState } from "../../src/delivery/delivery.ts";
import { startCluster } from "../kafka/cluster.ts";
import { createTopic, withAdmin } from "../kafka/read.ts";
import { limitProcess } from "../support/time-limit.ts";
import { rejectsWith } from "./support.ts";
import { assertArrived, deliveryUnder, recordedIn } from "./under.ts";

limitProcess(120_000);

test("delivery keeps its promises", { timeout: 100_000 }, async (t) => {
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const limit = { timeout: 40_000 };

  await t.test("what journals hold arrives in both topics, bodies byte for byte", limit, async (t) => {
    const under = deliveryUnder(t, cluster, ["0", "1"]);
    const exchanges = under.journals.map((journal) => recordedIn(journal, 50));
    const delivery = await under.start();
    for (const journal of under.journals) {
      under.publish();
      await delivery.delivered(journal.name, journal.end);
    }
    const { events, bodies, duplicates } = await under.consumed();
    for (const exchange of exchanges.flat()) assertArrived(bodies, exchange);
    assert.equal(events.length, 2 * (2 + 2 * 50));
    assert.equal(duplicates, 0);
  });

  await t.test("what is recorded while it runs arrives, too", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const [journal] = under.journals;
    const delivery = await under.start();
    for (let round = 0; round < 5; round += 1) {
      const exchanges = recordedIn(journal, 10);
      under.publish();
      await delivery.delivered("0", journal.end);
      const { bodies } = await under.consumed();
      for (const exchange of exchanges) assertArrived(bodies, exchange);
    }
  });

  await t.test(
    "closing delivers what the journal still holds, and the next start repeats nothing",
    limit,
    async (t) => {
      const under = deliveryUnder(t, cluster);
      const [journal] = under.journals;
      recordedIn(journal, 2_000);
      under.publish();
      await (await under.start()).close();
      assert.deepEqual(readDelivered(under.dataDir), new Map([["0", journal.end]]));
      const [last] = recordedIn(journal, 1);
      under.publish();
      await (await under.start()).close();
      const { bodies, duplicates } = await under.consumed();
      assert.equal(duplicates, 0);
      assert.ok(last);
      assertArrived(bodies, last);
    },
  );

  await t.test("the journal may be unlinked up to what is on the disk as delivered", limit, async (t) => {
    const trimmable = Promise.withResolvers<number>();
    const under = deliveryUnder(t, cluster);
    const [journal] = under.journals;
    recordedIn(journal, 10);
    under.publish();
    await under.start({
      onProgress: (progress) => progress.trimmable === journal.end && trimmable.resolve(progress.trimmable),
    });
    await trimmable.promise;
    assert.equal(readCheckpoint(under.dataDir, "0")?.writer.resume, journal.end);
  });

  await t.test("partitions that are added while it runs move no key", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const [journal] = under.journals;
    const delivery = await under.start();
    recordedIn(journal, 5);
    under.publish();
    await delivery.delivered("0", journal.end);
    await withAdmin(cluster.addresses(), (admin) =>
      admin.createPartitions({ topicPartitions: [{ topic: under.topics.bodies, count: 9 }] }),
    );
    await under.crash(delivery);
    assert.equal(readCheckpoint(under.dataDir, "0")?.partitions.bodies, 3);
    await (await under.start()).close();
    assert.equal(readCheckpoint(under.dataDir, "0")?.partitions.bodies, 3);
    await (await under.start()).close();
    assert.equal(readCheckpoint(under.dataDir, "0")?.partitions.bodies, 9);
  });

  await t.test("a topic that is deleted is made anew, and delivery goes on", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const [journal] = under.journals;
    const delivery = await under.start();
    recordedIn(journal, 5);
    under.publish();
    await delivery.delivered("0", journal.end);
    await withAdmin(cluster.addresses(), (admin) => admin.deleteTopics({ topics: [under.topics.bodies] }));
    const exchanges = recordedIn(journal, 20);
    under.publish();
    await delivery.delivered("0", journal.end);
    const { bodies } = await under.consumed();
    for (const exchange of exchanges) assertArrived(bodies, exchange);
  });

  await t.test("a topic that would lose records is refused at the start, in words", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    await createTopic(cluster.addresses(), under.topics.bodies, { config: { "cleanup.policy": "compact" } });
    await rejectsWith(under.start(), "topic-unsuitable", /compaction keeps only the last record/);
  });

  await t.test("a damaged checkpoint is said, not guessed around", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    mkdirSync(join(under.dataDir, "delivery"));
    writeFileSync(join(under.dataDir, "delivery", "0.json"), "{");
    assert.throws(() => readDelivered(under.dataDir), /0\.json is not a checkpoint .* remove it/);
  });

  // Last: it ends the broker.
  await t.test("while Kafka is away it waits and says so, and then nothing is missing", limit, async (t) => {
    const states: DeliveryState[] = [];
    const waiting = Promise.withResolvers<void>();
    const under = deliveryUnder(t, cluster);
    const [journal] = under.journals;
    const delivery = await under.start({
      onState(state) {
        states.push(state);
        if (state.type === "waiting") waiting.resolve();
      },
    });
    const [broker] = cluster.brokers;
    const before = recordedIn(journal, 300);
    under.publish();
    await broker?.kill();
    const meanwhile = recordedIn(journal, 300);
    under.publish();
    await waiting.promise;
    await broker?.start();
    await delivery.delivered("0", journal.end);
    const { bodies } = await under.consumed();
    for (const exchange of [...before, ...meanwhile]) assertArrived(bodies, exchange);
    assert.deepEqual(
      states.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]),
      ["delivering", "waiting", "delivering"],
    );
    t.diagnostic(states.map((state) => (state.type === "waiting" ? state.code : state.type)).join(" "));
  });
});

test("with no Kafka at all it starts, waits, and ends at once", { timeout: 30_000 }, async (t) => {
  const under = deliveryUnder(t, { addresses: () => ["127.0.0.1:1"] });
  const [journal] = under.journals;
  recordedIn(journal, 1);
  under.publish();
  const delivery = await under.start();
  assert.partialDeepStrictEqual(delivery.state, { type: "waiting", code: "unreachable" });
  await delivery.close();
  assert.deepEqual(readDelivered(under.dataDir), new Map());
});
