import assert from "node:assert/strict";
import { test } from "node:test";
import { Partitioners } from "../../src/delivery/kafka/kafkajs-mended.ts";
import { countInForce, partitionOf } from "../../src/delivery/partitioner.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";

test("a key's partition is where every Kafka client looks for it", () => {
  const theirs = Partitioners.DefaultPartitioner();
  const keys = Array.from({ length: 500 }, (_, index) => uuidv7() + "ä".repeat(index % 7));
  for (const partitions of [1, 12, 100]) {
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      ...{ partitionErrorCode: 0, partitionId, leader: 1, replicas: [], isr: [] },
    }));
    for (const key of [...keys, "", "s"]) {
      const message = { key: Buffer.from(key), value: null };
      assert.equal(partitionOf(key, partitions), theirs({ topic: "t", partitionMetadata, message }), key);
    }
  }
});

test("partitions that are added are used from a start on that repeats nothing", () => {
  assert.equal(countInForce(12, 24, false), 12);
  assert.equal(countInForce(12, 24, true), 24);
});

test("a topic that was made anew with fewer partitions is taken as it is", () => {
  assert.equal(countInForce(12, 6, false), 6);
});
