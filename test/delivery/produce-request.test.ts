import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { encodeProduceRequest, type ProduceRequest } from "../../src/delivery/kafka/produce-request.ts";

/*
 * kafkajs' own encoder, which nothing here has replaced, is what ours has to agree with byte for byte.
 */

const require = createRequire(import.meta.url);
const theirs = require("kafkajs/src/protocol/requests/produce/v3/request.js") as (
  request: ProduceRequest,
) => { encode(): Promise<{ buffer: Buffer }> };
const { Codecs } = require("kafkajs/src/protocol/message/compression/index.js") as {
  readonly Codecs: readonly (() => { compress(encoder: { buffer: Buffer }): Promise<Buffer> })[];
};

const GZIP = 1;
const NO_COMPRESSION = 0;

const request: ProduceRequest = {
  acks: -1,
  timeout: 30_000,
  producerId: "9007199254740993",
  producerEpoch: 3,
  compression: NO_COMPRESSION,
  topicData: [
    {
      topic: "bodies",
      partitions: [
        {
          partition: 11,
          firstSequence: 2_147_483_600,
          messages: [
            {
              key: "k",
              value: Buffer.alloc(70_000, 7),
              headers: { ce_id: "a/req/0" },
              timestamp: "1700000000500",
            },
            {
              key: "ключ",
              value: Buffer.alloc(0),
              headers: { a: "ä€😀", b: "", c: "x".repeat(200) },
              timestamp: "1700000000000",
            },
            { key: null, value: null, headers: {}, timestamp: "1700004200000" },
            { key: Buffer.from("bytes"), value: "text", timestamp: "1700000000001" },
          ],
        },
        {
          partition: 0,
          firstSequence: 0,
          messages: Array.from({ length: 300 }, (_, index) => ({
            key: "key",
            value: Buffer.from(String(index)),
            headers: { ce_id: String(index) },
            timestamp: String(1_700_000_000_000 + index),
          })),
        },
      ],
    },
    {
      topic: "événements",
      partitions: [
        { partition: 1, firstSequence: 1, messages: [{ key: "a", value: Buffer.from("b"), timestamp: "1" }] },
      ],
    },
  ],
};

const compress = (compression: number, buffer: Buffer): Promise<Buffer> => {
  const codec = Codecs[compression]?.();
  assert.ok(codec);
  return codec.compress({ buffer });
};

for (const [what, more] of Object.entries({
  "as delivery sends it": {},
  compressed: { compression: GZIP },
  "of a transaction": { transactionalId: "t" },
  "without a producer id": { producerId: -1 },
})) {
  test(`a Produce request ${what} is what kafkajs would send`, async () => {
    const asked = { ...request, ...more };
    const ours = await encodeProduceRequest(asked, compress);
    const { buffer } = await theirs(asked).encode();
    assert.ok(ours.equals(buffer));
  });
}

test("records are compressed by what is handed in", async () => {
  const asked = { ...request, compression: GZIP };
  let given = 0;
  const ours = await encodeProduceRequest(asked, async (_, records) => {
    given += records.length;
    return gzipSync(records);
  });
  assert.ok(given > 70_000);
  assert.ok(ours.length < 20_000);
});
