import assert from "node:assert/strict";
import { test } from "node:test";
import { createKafkaSink } from "../../src/delivery/kafka/open.ts";
import { startCluster } from "../kafka/cluster.ts";
import { createTopic, readTopic } from "../kafka/read.ts";
import { limitProcess } from "../support/time-limit.ts";
import { assertDelivered, PARTITIONS, someRecords } from "./records.ts";
import { deliver } from "./sender.ts";
import { CLIENTS, kafkaConfig } from "./support.ts";

limitProcess(150_000);

const warnings: string[] = [];
process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`));

test("of three brokers two are killed and started again in turn: nothing is lost, nothing out of order", {
  timeout: 120_000,
}, async (t) => {
  const cluster = await startCluster(t, { brokers: 3 });
  if (cluster === undefined) return;
  const brokers = cluster.addresses();
  const count = 1_200;
  const partitions = someRecords(count);
  for (const client of CLIENTS) await createTopic(brokers, client, { partitions: PARTITIONS });
  let isOver = false;
  const deliveries = CLIENTS.map((client) => {
    const config = kafkaConfig({ brokers, client, sendTimeout: "2s", connectTimeout: "2s" });
    const newSink = () => createKafkaSink(config, () => undefined);
    return deliver({ topic: client, partitions, batch: 1, pause: 20, newSink });
  });
  const all = Promise.all(deliveries).finally(() => {
    isOver = true;
  });
  for (const broker of cluster.brokers.slice(1)) {
    if (isOver) break;
    await broker.kill();
    await broker.start();
  }
  const failures = await all;
  const sent = performance.now();
  for (const [at, client] of CLIENTS.entries()) {
    const read = await readTopic(brokers, client);
    assertDelivered(read, partitions);
    t.diagnostic(
      `${Math.round(performance.now() - sent)} ms to read; ${client}: ${failures[at]} failures, ${read.length - count} duplicates`,
    );
    assert.ok((failures[at] ?? 0) > 0);
  }
  assert.deepEqual(warnings, []);
});
