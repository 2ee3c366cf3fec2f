import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  encodeProduceRequest,
  encodeRequest,
  type ProduceRequest,
} from "../../src/delivery/kafka/produce-request.ts";
import type { SinkRecord } from "../../src/delivery/sink.ts";
import { batchOf, record } from "./batches.ts";

/*
 * kafkajs' own encoder, which nothing here has replaced, is what ours has to agree with byte for byte.
 */

const require = createRequire(import.meta.url);
interface TheirRequest {
  encode(): Promise<{ buffer: Buffer }>;
}
const produce = require("kafkajs/src/protocol/requests/produce/v3/request.js") as (
  request: object,
) => TheirRequest;
const wrap = require("kafkajs/src/protocol/request.js") as (request: object) => Promise<{ buffer: Buffer }>;
const Encoder = require("kafkajs/src/protocol/encoder.js") as new () => {
  writeString(text: string): { buffer: Buffer };
};
const { Codecs } = require("kafkajs/src/protocol/message/compression/index.js") as {
  readonly Codecs: readonly (() => { compress(encoder: { buffer: Buffer }): Promise<Buffer> })[];
};

const GZIP = 1;
const NO_COMPRESSION = 0;

const bodies: readonly SinkRecord[] = [
  { key: "k", value: Buffer.alloc(70_000, 7), headers: { ce_id: "a/req/0" }, timestamp: 1_699_999_999_500 },
  {
    key: "ключ",
    value: Buffer.alloc(0),
    headers: { a: "ä€😀", b: "", c: "x".repeat(200), d: "ü".repeat(40) },
    timestamp: 1_700_000_000_000,
  },
  { key: "", value: "", headers: {}, timestamp: 1_700_004_200_000 },
  {
    key: "text",
    value: "ü".repeat(3_000),
    headers: { many: "€".repeat(3_000) },
    timestamp: 1_700_000_000_001,
  },
  { key: "gone", value: null, headers: {}, timestamp: 1_700_000_000_002 },
  { key: "text", value: "x".repeat(63) + "é".repeat(9_000), headers: {}, timestamp: 1_700_000_000_002 },
];
const numbered = Array.from({ length: 300 }, (_, index) =>
  record(String(index), { timestamp: 1_700_000_000_000 + index }),
);
const head = { apiKey: 0, apiVersion: 3, correlationId: 2_147_483_000, clientId: "bqtape-é" };

interface Partition {
  readonly partition: number;
  readonly firstSequence: number;
  readonly records: readonly SinkRecord[];
}

const topics: readonly { topic: string; partitions: readonly Partition[] }[] = [
  {
    topic: "bodies",
    partitions: [
      { partition: 11, firstSequence: 2_147_483_600, records: bodies },
      { partition: 0, firstSequence: 0, records: numbered },
    ],
  },
  { topic: "événements", partitions: [{ partition: 1, firstSequence: 1, records: [record("a")] }] },
];

const base = {
  acks: -1,
  timeout: 30_000,
  producerId: "9007199254740993",
  producerEpoch: 3,
  compression: NO_COMPRESSION,
};

function ours(more: Partial<ProduceRequest>): ProduceRequest {
  const topicData = topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ records, ...of }) => ({ ...of, messages: batchOf(records) })),
  }));
  return { ...base, topicData, ...more };
}

async function theirs(more: Partial<ProduceRequest>): Promise<Buffer> {
  const topicData = topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ records, ...of }) => ({ ...of, messages: records })),
  }));
  const request = produce({ ...base, topicData, ...more });
  const { correlationId, clientId } = head;
  return (await wrap({ correlationId, clientId, request })).buffer;
}

const compress = (compression: number, buffer: Buffer): Promise<Buffer> => {
  const codec = Codecs[compression]?.();
  assert.ok(codec);
  return codec.compress({ buffer });
};

for (const [what, more] of Object.entries({
  "as delivery sends it": {},
  compressed: { compression: GZIP },
  "without a producer id": { producerId: -1 },
})) {
  test(`a Produce request ${what} is what kafkajs would send`, async () => {
    const pieces = await encodeProduceRequest(head, ours(more), compress);
    assert.ok(Buffer.concat(pieces).equals(await theirs(more)));
  });
}

test("a Produce request that is made again, for another producer, is right again", async () => {
  const request = ours({});
  await encodeProduceRequest(head, request, compress);
  const more = { producerId: "7", producerEpoch: 9 };
  const pieces = await encodeProduceRequest(head, { ...request, ...more }, compress);
  assert.ok(Buffer.concat(pieces).equals(await theirs(more)));
});

test("records are compressed by what is handed in", async () => {
  let given = 0;
  const pieces = await encodeProduceRequest(head, ours({ compression: GZIP }), async (_, records) => {
    given += records.length;
    return gzipSync(records);
  });
  assert.ok(given > 70_000);
  assert.ok(Buffer.concat(pieces).length < 20_000);
});

test("any other request is what kafkajs would send", async () => {
  const payload = new Encoder().writeString("what is asked");
  const request = {
    apiKey: head.apiKey,
    apiVersion: head.apiVersion,
    encode: async () => payload,
  };
  const { correlationId, clientId } = head;
  const { buffer } = await wrap({ correlationId, clientId, request });
  assert.ok(encodeRequest(head, payload.buffer).equals(buffer));
});
