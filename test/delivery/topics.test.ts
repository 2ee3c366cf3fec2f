import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { ConfigResourceTypes } from "../../src/delivery/kafka/kafkajs-mended.ts";
import { prepareTopics } from "../../src/delivery/kafka/topics.ts";
import { startCluster } from "../kafka/cluster.ts";
import { createTopic, withAdmin } from "../kafka/read.ts";
import { limitProcess } from "../support/time-limit.ts";
import { kafkaConfig, rejectsWith } from "./support.ts";

limitProcess(120_000);

function names() {
  const id = randomUUID();
  return { events: `events-${id}`, bodies: `bodies-${id}`, control: `control-${id}` };
}

async function settingsOf(brokers: readonly string[], topic: string): Promise<Record<string, string>> {
  const { resources } = await withAdmin(brokers, (admin) =>
    admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    }),
  );
  const entries = resources[0]?.configEntries ?? [];
  return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]));
}

test("topics are made as records need them, and checked", { timeout: 90_000 }, async (t) => {
  const cluster = await startCluster(t, { brokers: 3, properties: { "min.insync.replicas": "1" } });
  if (cluster === undefined) return;
  const brokers = cluster.addresses();
  const logged: string[] = [];
  const prepare = (topics: object, more = {}) =>
    prepareTopics(kafkaConfig({ brokers, topics, ...more }), (level, message) => {
      if (level !== "debug") logged.push(message);
    });

  await t.test("missing ones are made: control compacted, two replicas in sync of three", async () => {
    const topics = names();
    const prepared = await prepare({ ...topics, partitions: 4 });
    assert.deepEqual(prepared, {
      events: { name: topics.events, partitions: 4, maxBatchBytes: 900 * 1024 },
      bodies: { name: topics.bodies, partitions: 4, maxBatchBytes: 900 * 1024 },
      control: { name: topics.control, partitions: 1, maxBatchBytes: 900 * 1024 },
    });
    for (const [role, topic] of Object.entries(topics)) {
      const settings = await settingsOf(brokers, topic);
      assert.equal(settings["cleanup.policy"], role === "control" ? "compact" : "delete");
      assert.equal(settings["min.insync.replicas"], "2");
      assert.equal(settings["max.message.bytes"], "1048588");
    }
    assert.deepEqual(logged, []);
  });

  await t.test("those that are there are left as they are", async () => {
    const topics = names();
    await createTopic(brokers, topics.bodies, { partitions: 2, config: { "max.message.bytes": "500000" } });
    const { bodies, events } = await prepare({ ...topics, partitions: 3 });
    assert.deepEqual(bodies, { name: topics.bodies, partitions: 2, maxBatchBytes: 500_000 - 1_024 });
    assert.equal(events.partitions, 3);
  });

  await t.test("several gateways may make them at the same time", async () => {
    const topics = names();
    const prepared = await Promise.all([1, 2, 3].map(() => prepare({ ...topics, partitions: 2 })));
    assert.equal(new Set(prepared.map((one) => JSON.stringify(one))).size, 1);
  });

  await t.test("with create: false, missing ones are refused by name, and not made", async () => {
    const topics = names();
    await createTopic(brokers, topics.events);
    const says = new RegExp(`${topics.bodies}.*${topics.control}.*kafka\\.topics\\.create: true`);
    await rejectsWith(prepare({ ...topics, create: false }), "topic-missing", says);
    const existing = await withAdmin(brokers, (admin) => admin.listTopics());
    assert.ok(!existing.includes(topics.bodies));
  });

  const UNSUITABLE: readonly (readonly [
    what: string,
    role: string,
    setting: [string, string],
    says: RegExp,
  ])[] = [
    [
      "compacted events",
      "events",
      ["cleanup.policy", "compact"],
      /cleanup\.policy=compact: .* would delete the others.*--add-config cleanup\.policy=delete.*kafka\.topics\.events/,
    ],
    [
      "bodies that are compacted as well as deleted",
      "bodies",
      ["cleanup.policy", "compact,delete"],
      /compact,delete/,
    ],
    ["a control topic that is not compacted", "control", ["cleanup.policy", "delete"], /kept for ever/],
    [
      "a topic for bodies that takes no whole chunk",
      "bodies",
      ["max.message.bytes", "262144"],
      /max\.message\.bytes=262144: a record may have 278528 bytes.*max\.message\.bytes=1048588/,
    ],
  ];
  for (const [what, role, [setting, value], says] of UNSUITABLE) {
    await t.test(`${what}: refused, with the command that mends it`, async () => {
      const topics = names();
      await createTopic(brokers, topics[role as keyof typeof topics], { config: { [setting]: value } });
      await rejectsWith(prepare(topics), "topic-unsuitable", says);
    });
  }

  await t.test("three replicas of which one is enough to acknowledge: a warning", async () => {
    const topics = names();
    await createTopic(brokers, topics.events, { replicas: 3 });
    await prepare(topics);
    const warnings = logged.filter((message) => message.includes(topics.events));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /min\.insync\.replicas to 2/);
  });

  await t.test("more replicas than there are brokers: the brokers' refusal, in words", async () => {
    await rejectsWith(prepare({ ...names(), replicationFactor: 5 }), "topic-unsuitable", /kafka\.topics/);
  });

  await t.test("brokers that hang are a timeout", async (t) => {
    for (const broker of cluster.brokers) broker.pause();
    t.after(() => {
      for (const broker of cluster.brokers) broker.resume();
    });
    const preparing = prepare(names(), { connectTimeout: "300ms", sendTimeout: "200ms" });
    await rejectsWith(preparing, "timeout", /500 ms/);
  });
});
