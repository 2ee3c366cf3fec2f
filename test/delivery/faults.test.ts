import assert from "node:assert/strict";
import { test } from "node:test";
import { createKafkaSink } from "../../src/delivery/kafka/open.ts";
import { startCluster } from "../kafka/cluster.ts";
import { FAULTS, startFaultProxy } from "../kafka/fault-proxy.ts";
import { createTopic, readTopic } from "../kafka/read.ts";
import { limitProcess } from "../support/time-limit.ts";
import { assertDelivered, PARTITIONS, someRecords } from "./records.ts";
import { deliver } from "./sender.ts";
import { CLIENTS, kafkaConfig } from "./support.ts";

limitProcess(150_000);

const warnings: string[] = [];
process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`));

const RECORDS = 10_000;
/** Records of a batch. kafkajs sends those of all partitions as one request: the smaller they are, the more answers there are. */
const BATCH = { kafkajs: 6, platformatic: 25 } as const;

for (const client of CLIENTS) {
  const seed = 20_260_000 + client.length;

  test(`${client}: whatever becomes of answers, each of 10,000 records arrives, in its key's order`, {
    timeout: 120_000,
  }, async (t) => {
    const proxy = await startFaultProxy(t, { seed, oneIn: 7, maxDelay: 350 });
    const cluster = await startCluster(t, {
      listeners: [{ name: "FAULTY", protocol: "PLAINTEXT", advertised: () => proxy.port }],
    });
    const [broker] = cluster?.brokers ?? [];
    if (cluster === undefined || broker === undefined) return;
    proxy.forwardTo(broker.port("FAULTY"));
    const topic = "records";
    await createTopic(cluster.addresses(), topic, { partitions: PARTITIONS });
    const config = kafkaConfig({ brokers: [`127.0.0.1:${proxy.port}`], client, sendTimeout: "200ms" });
    const partitions = someRecords(RECORDS);
    const failures = await deliver({
      topic,
      partitions,
      batch: BATCH[client],
      newSink: () => createKafkaSink(config, () => undefined),
    });
    const read = await readTopic(cluster.addresses(), topic);
    assertDelivered(read, partitions);
    t.diagnostic(
      `seed ${seed}: ${JSON.stringify(proxy.faults)}, ${failures} failures, ${read.length - RECORDS} duplicates`,
    );
    for (const fault of FAULTS) assert.ok(proxy.faults[fault] >= 5, `${fault}: ${proxy.faults[fault]} times`);
    assert.ok(failures > 0);
    assert.deepEqual(warnings, []);
  });
}
