import assert from "node:assert/strict";
import { test } from "node:test";
import { createKafkaSink } from "../../src/delivery/kafka/open.ts";
import type { SinkRecord } from "../../src/delivery/sink.ts";
import { startCluster } from "../kafka/cluster.ts";
import { FAULTS, startFaultProxy } from "../kafka/fault-proxy.ts";
import { createTopic, type ReadRecord, readTopic } from "../kafka/read.ts";
import { limitProcess } from "../support/time-limit.ts";
import { deliver } from "./sender.ts";
import { CLIENTS, kafkaConfig, record } from "./support.ts";

limitProcess(150_000);

const warnings: string[] = [];
process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`));

const PARTITIONS = 4;
const KEYS_PER_PARTITION = 5;
const RECORDS = 10_000;

/** The records of each partition; a key's are numbered from 0. */
function someRecords(count: number): SinkRecord[][] {
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: count / PARTITIONS }, (_, at) => {
      const key = `${partition}-${at % KEYS_PER_PARTITION}`;
      return record(`${key}/${Math.floor(at / KEYS_PER_PARTITION)}`, { key });
    }),
  );
}

/** Asserts that each record is there, and each key's in their order once duplicates are dropped by id. */
function assertDelivered(read: readonly ReadRecord[], sent: readonly (readonly SinkRecord[])[]): void {
  const seen = new Set<string>();
  const next = new Map<string, number>();
  for (const { key = "", headers, value } of read) {
    const id = headers.ce_id ?? "";
    assert.equal(value?.toString(), id);
    if (seen.has(id)) continue;
    seen.add(id);
    const number = next.get(key) ?? 0;
    assert.equal(id, `${key}/${number}`, "out of order, or one before it is missing");
    next.set(key, number + 1);
  }
  assert.deepEqual(
    [...seen].sort(),
    sent
      .flat()
      .map(({ headers }) => headers.ce_id ?? "")
      .sort(),
  );
}

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
      batch: 25,
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
  for (const [at, client] of CLIENTS.entries()) {
    const read = await readTopic(brokers, client);
    assertDelivered(read, partitions);
    t.diagnostic(`${client}: ${failures[at]} failures, ${read.length - count} duplicates`);
    assert.ok((failures[at] ?? 0) > 0);
  }
  assert.deepEqual(warnings, []);
});
