import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type KafkaConfig, kafkaSchema } from "../../src/config/kafka.ts";
import { createKafkaSink } from "../../src/delivery/kafka/open.ts";
import { type Sink, SinkError, type SinkErrorCode, type SinkRecord } from "../../src/delivery/sink.ts";

export const CLIENTS = ["kafkajs", "platformatic"] as const;

/** The section `kafka` as it is after its defaults. */
export function kafkaConfig(keys: Partial<Record<keyof KafkaConfig, unknown>>): KafkaConfig {
  return kafkaSchema.parse({ sendTimeout: "10s", connectTimeout: "5s", ...keys });
}

/** A sink that is closed with the test, not connected. */
export async function newSink(
  test: TestContext,
  keys: Partial<Record<keyof KafkaConfig, unknown>>,
): Promise<Sink> {
  const sink = await createKafkaSink(kafkaConfig(keys), () => undefined);
  test.after(() => sink.close());
  return sink;
}

export async function connectedSink(
  test: TestContext,
  keys: Partial<Record<keyof KafkaConfig, unknown>>,
): Promise<Sink> {
  const sink = await newSink(test, keys);
  await sink.connect();
  return sink;
}

export function record(id: string, more: Partial<SinkRecord> = {}): SinkRecord {
  return {
    key: "key",
    value: Buffer.from(id),
    headers: { ce_id: id },
    timestamp: 1_700_000_000_000,
    ...more,
  };
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
