import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readCheckpoint } from "../../src/delivery/checkpoint.ts";
import {
  type Delivery,
  type DeliveryOptions,
  type DeliveryState,
  readDelivered,
  startDelivery,
} from "../../src/delivery/delivery.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import {
  type ExchangeParts,
  gatewayStarted,
  HandWrittenJournal,
  query,
  sessionStarted,
} from "../archive/support.ts";
import { type Cluster, startCluster } from "../kafka/cluster.ts";
import { createTopic, withAdmin } from "../kafka/read.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { type Consumed, consumed } from "./consumed.ts";
import { kafkaConfig, rejectsWith } from "./support.ts";

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
  const under = deliveryUnder(t, { brokers: [], addresses: () => ["127.0.0.1:1"] });
  const [journal] = under.journals;
  recordedIn(journal, 1);
  under.publish();
  const delivery = await under.start();
  assert.partialDeepStrictEqual(delivery.state, { type: "waiting", code: "unreachable" });
  await delivery.close();
  assert.deepEqual(readDelivered(under.dataDir), new Map());
});

interface Under {
  readonly dataDir: string;
  readonly journals: readonly [HandWrittenJournal, ...HandWrittenJournal[]];
  readonly topics: { readonly events: string; readonly bodies: string; readonly control: string };
  /** Closed with the test. */
  start(more?: Partial<DeliveryOptions>): Promise<Delivery>;
  /** Tells delivery where the journals end now. */
  publish(): void;
  /** Ends it as a crash does: the checkpoint stays as it is. */
  crash(delivery: Delivery): Promise<void>;
  consumed(): Promise<Consumed>;
}

let count = 0;

/** Journals, and topics of their own. */
function deliveryUnder(t: TestContext, cluster: Cluster, names: readonly string[] = ["0"]): Under {
  const dataDir = temporaryDirectory();
  const [first = "0", ...others] = names;
  const journals = [
    new HandWrittenJournal(dataDir, first),
    ...others.map((name) => new HandWrittenJournal(dataDir, name)),
  ] as const;
  const live = journals.map(({ name, directory }) => ({
    ...{ name, directory, end: new SharedArrayBuffer(8), acknowledged: new SharedArrayBuffer(8) },
  }));
  count += 1;
  const topics = { events: `events-${count}`, bodies: `bodies-${count}`, control: `control-${count}` };
  const kafka = kafkaConfig({ brokers: cluster.addresses(), topics: { ...topics, partitions: 3 } });
  return {
    dataDir,
    journals,
    topics,
    async start(more = {}) {
      const delivery = await startDelivery({ dataDir, kafka, journals: live, onError: unexpected, ...more });
      t.after(() => delivery.close());
      return delivery;
    },
    publish() {
      for (const [at, journal] of journals.entries()) {
        const end = new BigInt64Array(live[at]?.end ?? new SharedArrayBuffer(8));
        Atomics.store(end, 0, BigInt(journal.end));
        Atomics.notify(end, 0);
      }
    },
    async crash(delivery) {
      const stored = readCheckpoint(dataDir, first);
      await delivery.close();
      writeFileSync(join(dataDir, "delivery", `${first}.json`), JSON.stringify(stored));
    },
    consumed: () => consumed(cluster.addresses(), topics),
  };
}

function recordedIn(journal: HandWrittenJournal, count: number): ExchangeParts[] {
  const session = uuidv7();
  journal.events(gatewayStarted(uuidv7()), sessionStarted(session));
  return Array.from({ length: count }, (_, index) => {
    const response = Buffer.alloc(1 + (index % 5) * 20_000, index);
    const exchange = query({ session, sql: `SELECT ${index}`, response });
    journal.exchange(exchange);
    return exchange;
  });
}

function assertArrived(bodies: Consumed["bodies"], { requested, request, response }: ExchangeParts): void {
  for (const [direction, bytes] of Object.entries({ request, response })) {
    const body = bodies.get(`${requested.exchange}/${direction}`);
    assert.deepEqual(body?.verdict, { state: "sound" });
    assert.ok(body?.bytes.equals(bytes));
  }
}

function unexpected(message: string): never {
  throw new Error(message);
}
