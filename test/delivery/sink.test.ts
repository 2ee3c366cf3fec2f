import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { RecordBatch } from "../../src/delivery/record-batch.ts";
import { MAX_BATCH_BYTES } from "../../src/delivery/sink.ts";
import { type Broker, kafkaFor } from "../kafka/cluster.ts";
import { createTopic, readTopic } from "../kafka/read.ts";
import { limitProcess } from "../support/time-limit.ts";
import { CLIENTS, connectedSink, newSink, record, rejectsWith } from "./support.ts";

limitProcess(120_000);

const warnings: string[] = [];
process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`));

test("a sink on Kafka", { timeout: 100_000 }, async (t) => {
  const kafka = await kafkaFor(t);
  if (kafka === undefined) return;
  const { addresses: brokers, broker } = kafka;
  for (const client of CLIENTS) await t.test(`through ${client}`, (t) => suite(t, client, brokers, broker));
  assert.deepEqual(warnings, []);
});

async function suite(
  t: TestContext,
  client: (typeof CLIENTS)[number],
  brokers: readonly string[],
  broker: Broker | undefined,
): Promise<void> {
  const nowhere = `nowhere-${randomUUID()}`;
  const newTopic = async (partitions = 1, config = {}): Promise<string> => {
    const topic = `t-${randomUUID()}`;
    await createTopic(brokers, topic, { partitions, config });
    return topic;
  };

  await t.test("says how many partitions a topic has", async (t) => {
    const sink = await connectedSink(t, { brokers, client });
    assert.equal(await sink.partitions(await newTopic(3)), 3);
  });

  await t.test("what it acknowledged is there, in order, in the partition that was named", async (t) => {
    const topic = await newTopic(2);
    const sink = await connectedSink(t, { brokers, client });
    for (let batch = 0; batch < 5; batch += 1) {
      await Promise.all(
        [0, 1].map((partition) =>
          sink.sendBatch(topic, partition, [
            record(`${partition}/${batch}/a`),
            record(`${partition}/${batch}/b`),
          ]),
        ),
      );
    }
    const ids = (await readTopic(brokers, topic)).map(({ headers }) => headers.ce_id);
    const expected = [0, 1].flatMap((partition) =>
      [0, 1, 2, 3, 4].flatMap((batch) => ["a", "b"].map((one) => `${partition}/${batch}/${one}`)),
    );
    assert.deepEqual(ids, expected);
  });

  await t.test("key, value, headers and timestamp come out as they went in", async (t) => {
    const topic = await newTopic();
    const sink = await connectedSink(t, { brokers, client });
    const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const headers = { ce_id: "x/req/0", ce_subject: "été €", "content-type": "" };
    await sink.sendBatch(topic, 0, [record("", { key: "schlüssel", value, headers, timestamp: 1_234_567 })]);
    const [read] = await readTopic(brokers, topic);
    assert.deepEqual(read, {
      partition: 0,
      offset: 0,
      key: "schlüssel",
      value,
      headers,
      timestamp: 1_234_567,
    });
  });

  await t.test("a value of null takes its key away from a compacted topic", async (t) => {
    const topic = await newTopic(1, { "cleanup.policy": "compact" });
    const sink = await connectedSink(t, { brokers, client });
    await sink.sendBatch(topic, 0, [record("a"), record("a", { value: null })]);
    const values = (await readTopic(brokers, topic)).map(({ value }) => value);
    assert.deepEqual(values, [Buffer.from("a"), null]);
  });

  await t.test("an empty value is a value of zero length, not null", async (t) => {
    const topic = await newTopic();
    const sink = await connectedSink(t, { brokers, client });
    await sink.sendBatch(topic, 0, [record("a"), record("b", { value: Buffer.alloc(0) }), record("c")]);
    const values = (await readTopic(brokers, topic)).map(({ value }) => value?.toString());
    assert.deepEqual(values, ["a", "", "c"]);
  });

  for (const compression of ["gzip", "zstd"]) {
    await t.test(`${compression} on the way comes out as it went in`, async (t) => {
      const topic = await newTopic(1, { "max.message.bytes": "20000" });
      const sink = await connectedSink(t, { brokers, client, compression });
      // More than the topic takes unless it is compressed.
      const value = Buffer.alloc(200_000, "compressible ");
      await sink.sendBatch(topic, 0, [record("a", { value }), record("b", { value: Buffer.alloc(0) })]);
      const read = await readTopic(brokers, topic);
      assert.deepEqual(
        read.map((one) => one.value),
        [value, Buffer.alloc(0)],
      );
    });
  }

  await t.test("a batch of 900 KiB of small records is taken by a topic of default settings", async (t) => {
    const topic = await newTopic();
    const sink = await connectedSink(t, { brokers, client });
    const one = record("0123456789", { value: Buffer.alloc(0) });
    const batch = new RecordBatch(MAX_BATCH_BYTES);
    while (batch.append(one)) {}
    await sink.sendBatch(topic, 0, [...batch]);
    assert.equal((await readTopic(brokers, topic)).length, batch.length);
  });

  await t.test("a batch that the topic does not take is too-large, in words", async (t) => {
    const topic = await newTopic(1, { "max.message.bytes": "1000" });
    const sink = await connectedSink(t, { brokers, client });
    const send = sink.sendBatch(topic, 0, [record("a", { value: Buffer.alloc(2_000) })]);
    await rejectsWith(send, "too-large", /max\.message\.bytes/);
  });

  await t.test("a topic that does not exist is topic-missing, and is not made", async (t) => {
    const sink = await connectedSink(t, { brokers, client });
    await rejectsWith(sink.sendBatch(nowhere, 0, [record("a")]), "topic-missing", new RegExp(nowhere));
    const other = await connectedSink(t, { brokers, client });
    await rejectsWith(other.partitions(nowhere), "topic-missing", new RegExp(nowhere));
  });

  await t.test("a partition that a topic does not have is refused, not put elsewhere", async (t) => {
    const topic = await newTopic(2);
    const sink = await connectedSink(t, { brokers, client });
    await rejectsWith(sink.sendBatch(topic, 2, [record("a")]), "topic-missing");
    assert.deepEqual(await readTopic(brokers, topic), []);
  });

  await t.test(
    "after a failure it is spent: nothing more is sent, and the first cause is told",
    async (t) => {
      const topic = await newTopic();
      const sink = await connectedSink(t, { brokers, client });
      await assert.rejects(sink.sendBatch(nowhere, 0, [record("a")]));
      await rejectsWith(sink.sendBatch(topic, 0, [record("b")]), "spent", new RegExp(nowhere));
      assert.deepEqual(await readTopic(brokers, topic), []);
    },
  );

  await t.test("closed, it refuses, and closing it again is nothing", async (t) => {
    const topic = await newTopic();
    const sink = await connectedSink(t, { brokers, client });
    await sink.close();
    await rejectsWith(sink.sendBatch(topic, 0, [record("a")]), "closed");
    await sink.close();
  });

  await t.test("nobody there is unreachable, with the addresses and the mend", async (t) => {
    const sink = await newSink(t, { brokers: ["127.0.0.1:1", "127.0.0.1:2"], client });
    const says = /127\.0\.0\.1:1, 127\.0\.0\.1:2.*nothing listens there.*kafka\.brokers/;
    await rejectsWith(sink.connect(), "unreachable", says);
  });

  await t.test("one broker of the list that answers is enough", async (t) => {
    const sink = await connectedSink(t, { brokers: ["127.0.0.1:1", ...brokers], client });
    assert.equal(await sink.partitions(await newTopic(2)), 2);
  });

  // Somebody else's Kafka is neither stopped nor killed.
  if (broker === undefined) return;

  await t.test(
    "a broker that hangs is a timeout by the deadline, and close does not wait for it",
    async (t) => {
      const topic = await newTopic();
      const sink = await connectedSink(t, { brokers, client, sendTimeout: "300ms" });
      await sink.sendBatch(topic, 0, [record("a")]);
      broker.pause();
      t.after(() => broker.resume());
      const began = performance.now();
      await rejectsWith(sink.sendBatch(topic, 0, [record("b")]), "timeout", /300 ms/);
      await sink.close();
      const took = performance.now() - began;
      assert.ok(took < 1_000, `${took} ms`);
      const next = await newSink(t, { brokers, client, connectTimeout: "300ms" });
      await rejectsWith(next.connect(), "timeout");
    },
  );

  await t.test("closing it rejects what is outstanding", async (t) => {
    const topic = await newTopic();
    const sink = await connectedSink(t, { brokers, client });
    await sink.sendBatch(topic, 0, [record("a")]);
    broker.pause();
    t.after(() => broker.resume());
    const send = rejectsWith(sink.sendBatch(topic, 0, [record("b")]), "closed");
    await sink.close();
    await send;
  });

  await t.test(
    "a broker that is killed is an error at once, and a new sink works when it is back",
    async (t) => {
      const topic = await newTopic();
      const sink = await connectedSink(t, { brokers, client });
      await sink.sendBatch(topic, 0, [record("a")]);
      await broker.kill();
      await rejectsWith(sink.sendBatch(topic, 0, [record("b")]), "unreachable");
      await sink.close();
      await broker.start();
      const next = await connectedSink(t, { brokers, client });
      await next.sendBatch(topic, 0, [record("b")]);
      const ids = (await readTopic(brokers, topic)).map(({ headers }) => headers.ce_id);
      assert.deepEqual(ids, ["a", "b"]);
    },
  );
}
