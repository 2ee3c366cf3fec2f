import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Admin } from "kafkajs";
// Beside what is imported, it teaches kafkajs to read what was compressed with zstd.
import "../../src/delivery/kafka/kafkajs.ts";
import { Kafka, logLevel } from "../../src/delivery/kafka/kafkajs-mended.ts";

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | undefined;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly timestamp: number;
}

/** For what tests do besides: making topics, reading offsets. Of a client of its own, which is left to end with `use`. */
export async function withAdmin<T>(
  brokers: readonly string[],
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = client(brokers).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Makes a topic; resolves when each of the brokers knows it and its leaders, and they do. */
export async function createTopic(
  brokers: readonly string[],
  topic: string,
  options: { partitions?: number; replicas?: number; config?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const { partitions = 1, replicas = -1, config = {} } = options;
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  const made = { topic, numPartitions: partitions, replicationFactor: replicas, configEntries };
  await withAdmin(brokers, (admin) => admin.createTopics({ waitForLeaders: false, topics: [made] }));
  for (const broker of brokers) await withAdmin([broker], (admin) => untilKnown(admin, topic));
}

async function untilKnown(admin: Admin, topic: string): Promise<void> {
  for (;;) {
    const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined);
    if (found?.topics[0]?.partitions.every(({ leader }) => leader >= 0)) {
      // A leader that was named may not know yet that it is one.
      const offsets = await admin.fetchTopicOffsets(topic).catch(() => undefined);
      if (offsets !== undefined) return;
    }
    await delay(20);
  }
}

/** All that a topic holds now, each partition's records in their order. */
export async function readTopic(brokers: readonly string[], topic: string): Promise<ReadRecord[]> {
  const ends = await withAdmin(brokers, (admin) => admin.fetchTopicOffsets(topic));
  const missing = new Map(
    ends.filter(({ low, high }) => low !== high).map(({ partition, high }) => [partition, Number(high)]),
  );
  const records: ReadRecord[] = [];
  if (missing.size === 0) return records;
  const consumer = client(brokers).consumer({ groupId: `read-${randomUUID()}`, maxWaitTimeInMs: 50 });
  const { promise: all, resolve, reject } = Promise.withResolvers<void>();
  consumer.on("consumer.crash", ({ payload }) => {
    // It begins again by itself after what passes, such as a coordinator that has just moved.
    if (!payload.restart) reject(payload.error);
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachBatch: async ({ batch: { partition, messages } }) => {
        for (const { offset, key, value, headers = {}, timestamp } of messages) {
          records.push({
            partition,
            offset: Number(offset),
            key: key?.toString(),
            value,
            headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)])),
            timestamp: Number(timestamp),
          });
        }
        const last = Number(messages.at(-1)?.offset ?? -1);
        if (last + 1 >= (missing.get(partition) ?? Number.POSITIVE_INFINITY)) missing.delete(partition);
        if (missing.size === 0) resolve();
      },
    });
    await all;
  } finally {
    await consumer.disconnect();
  }
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

function client(brokers: readonly string[]): InstanceType<typeof Kafka> {
  return new Kafka({
    clientId: "test",
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 30, retries: 8 },
  });
}
