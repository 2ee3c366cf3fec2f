import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { crc32c } from "@platformatic/kafka";
import { encodeProduceRequest, type ProduceMessage, type ProduceRequest } from "./produce-request.ts";

/*
 * kafkajs 2.2.4, to be had from here only. Three defects are mended where they are, since no option avoids them, and what
 * makes its requests is replaced, for what it costs. Its version is pinned, and each has a test: the suites of the sink fail on any warning, on any
 * exception that nobody caught, and on a record that is missing; and brokers refuse a batch whose checksum is wrong.
 */

const require = createRequire(import.meta.url);

/** Puts something else in the place of a module, before those that use it are loaded. */
function replace(path: string, exports: unknown): void {
  const file = require.resolve(`kafkajs/src/${path}`);
  require(file);
  const loaded = require.cache[file];
  if (loaded !== undefined) loaded.exports = exports;
}

// Byte by byte in JavaScript it was a quarter of all that a batch costs.
replace("protocol/recordBatch/crc32C/index.js", crc32c);

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
}
const { lookupCodec } = require("kafkajs/src/protocol/message/compression/index.js") as {
  lookupCodec(compression: number): Codec;
};
const { Produce } = require("kafkajs/src/protocol/requests/apiKeys.js") as { readonly Produce: number };

/** What a request is made of; whoever reads an encoder reads its buffer. */
interface Encoded {
  readonly buffer: Buffer;
}

replace("protocol/requests/produce/v3/request.js", (request: ProduceRequest) => ({
  apiKey: Produce,
  // Later versions put theirs in its place.
  apiVersion: 3,
  apiName: "Produce",
  expectResponse: () => request.acks !== 0,
  encode: async (): Promise<Encoded> => ({
    buffer: await encodeProduceRequest(request, (compression, buffer) =>
      lookupCodec(compression).compress({ buffer }),
    ),
  }),
}));

interface Request {
  readonly correlationId: number;
  readonly clientId: string;
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    encode(): Promise<Encoded>;
  };
}

/** Size INT32, then the request header, version 1. It was copied twice, each time into the next power of two of zeros. */
replace("protocol/request.js", async ({ correlationId, clientId, request }: Request): Promise<Encoded> => {
  const { buffer: payload } = await request.encode();
  const idLength = Buffer.byteLength(clientId);
  const head = 4 + 2 + 2 + 4 + 2 + idLength;
  const buffer = Buffer.allocUnsafe(head + payload.length);
  let at = buffer.writeInt32BE(buffer.length - 4, 0);
  at = buffer.writeInt16BE(request.apiKey, at);
  at = buffer.writeInt16BE(request.apiVersion, at);
  at = buffer.writeInt32BE(correlationId, at);
  at = buffer.writeInt16BE(idLength, at);
  buffer.write(clientId, at);
  payload.copy(buffer, head);
  return { buffer };
});

interface Grouping {
  readonly topic: string;
  readonly partitionMetadata: readonly unknown[];
  readonly messages: readonly ProduceMessage[];
  partitioner(of: { topic: string; partitionMetadata: readonly unknown[]; message: ProduceMessage }): number;
}

/** It copied all messages in front of each: half a second for 10,000 of them. */
replace("producer/groupMessagesPerPartition.js", (grouping: Grouping): Record<number, ProduceMessage[]> => {
  const { topic, partitionMetadata, messages, partitioner } = grouping;
  const groups: Record<number, ProduceMessage[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) {
    const partition = partitioner({ topic, partitionMetadata, message });
    const group = groups[partition];
    if (group === undefined) groups[partition] = [message];
    else group.push(message);
  }
  return groups;
});

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const queue = (require("kafkajs/src/network/requestQueue/index.js") as { prototype: RequestQueue }).prototype;
const schedule = queue.scheduleCheckPendingRequests;

/**
 * At each answer a timer is set, to look for requests that wait because the broker throttled the client, by a time computed
 * from a throttling that never was: minus 1.7e12 ms, of which Node 24 warns (TimeoutNegativeWarning). Left out where nothing
 * waits; where something does, the time is right.
 */
queue.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length > 0) schedule.call(this);
};

interface Connection {
  socket?: Socket;
  isConnected(): boolean;
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  connect(): Promise<unknown>;
  processData(data: Buffer): void;
}

const connection = (require("kafkajs/src/network/connection.js") as { prototype: Connection }).prototype;
const { connect, processData } = connection;

/** Bytes of a frame's length, which is what is read first. */
const LENGTH = 4;

/** A connection that broke within an answer kept its beginning, and read the next connection's answers as its end. */
connection.connect = function (this: Connection): Promise<unknown> {
  if (!this.isConnected()) {
    this.chunks = [];
    this.bytesBuffered = 0;
    this.bytesNeeded = LENGTH;
  }
  return connect.call(this);
};

/** Bytes that are no answer threw in the socket's event, where nobody catches: they ended the process. */
connection.processData = function (this: Connection, data: Buffer): void {
  try {
    processData.call(this, data);
  } catch (cause) {
    this.socket?.destroy(new Error("the broker's answer makes no sense", { cause }));
  }
};

export const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } =
  require("kafkajs") as typeof import("kafkajs");
