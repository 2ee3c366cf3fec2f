import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type KafkaConfig, kafkaSchema } from "../../src/config/kafka.ts";
import { createKafkaSink } from "../../src/delivery/kafka/open.ts";
import { type Sink, SinkError, type SinkErrorCode, type SinkRecord } from "../../src/delivery/sink.ts";
import { batchOf } from "./batches.ts";

export { record } from "./batches.ts";

export const CLIENTS = ["kafkajs", "platformatic"] as const;

/** The section `kafka` as it is after its defaults. */
export function kafkaConfig(keys: Partial<Record<keyof KafkaConfig, unknown>>): KafkaConfig {
  return kafkaSchema.parse({ sendTimeout: "10s", connectTimeout: "5s", ...keys });
}

/** A sink that makes the batches, of records. */
export interface RecordSink extends Omit<Sink, "sendBatch"> {
  sendBatch(topic: string, partition: number, records: readonly SinkRecord[]): Promise<void>;
}

export function takingRecords(sink: Sink): RecordSink {
  return {
    connect: () => sink.connect(),
    partitions: (topic) => sink.partitions(topic),
    sendBatch: (topic, partition, records) => sink.sendBatch(topic, partition, batchOf(records)),
    close: () => sink.close(),
  };
}

/** A sink that is closed with the test, not connected. */
export async function newSink(
  test: TestContext,
  keys: Partial<Record<keyof KafkaConfig, unknown>>,
): Promise<RecordSink> {
  const sink = await createKafkaSink(kafkaConfig(keys), () => undefined);
  test.after(() => sink.close());
  return takingRecords(sink);
}

export async function connectedSink(
  test: TestContext,
  keys: Partial<Record<keyof KafkaConfig, unknown>>,
): Promise<RecordSink> {
  const sink = await newSink(test, keys);
  await sink.connect();
  return sink;
}

/** Asserts that something fails with a code, and that its message says so in certain words. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: SinkErrorCode,
  says: RegExp = /./,
): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof SinkError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, says);
    return true;
  });
}
