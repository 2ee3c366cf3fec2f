import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { crc32c } from "@platformatic/kafka";
import type { RecordBatch } from "../record-batch.ts";
import {
  encodeProduceRequest,
  encodeRequest,
  type ProduceRequest,
  type RequestHead,
} from "./produce-request.ts";

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

interface Request {
  readonly apiKey: number;
  readonly apiVersion: number;
  encode(): Promise<Encoded>;
  /** Of a request that makes its own head, in front of what is there already. */
  frame?(head: RequestHead): Promise<[Buffer, ...Buffer[]]>;
}

replace("protocol/requests/produce/v3/request.js", (request: ProduceRequest) => ({
  apiKey: Produce,
  // Later versions put theirs in its place.
  apiVersion: 3,
  apiName: "Produce",
  expectResponse: () => request.acks !== 0,
  frame: (head: RequestHead) =>
    encodeProduceRequest(head, request, (compression, buffer) =>
      lookupCodec(compression).compress({ buffer }),
    ),
}));

interface RequestOfClient {
  readonly correlationId: number;
  readonly clientId: string;
  readonly request: Request;
}

/** What belongs behind the first piece of a request: kafkajs writes that, and knows nothing of others. */
const continuations = new WeakMap<Buffer, readonly Buffer[]>();

/** Has a socket write whole requests. */
export function writeWhole(socket: Socket): void {
  const write = socket.write.bind(socket) as (data: Buffer, encoding?: BufferEncoding) => boolean;
  socket.write = ((data: Buffer, encoding?: BufferEncoding): boolean => {
    const rest = continuations.get(data) ?? [];
    socket.cork();
    const keepsUp = [data, ...rest].map((piece) => write(piece, encoding)).every(Boolean);
    socket.uncork();
    return keepsUp;
  }) as Socket["write"];
}

/** It was copied twice, each time into the next power of two of zeros. */
replace("protocol/request.js", async (of: RequestOfClient): Promise<Encoded> => {
  const { correlationId, clientId, request } = of;
  const { apiKey, apiVersion } = request;
  const head = { apiKey, apiVersion, correlationId, clientId };
  if (request.frame !== undefined) {
    const [buffer, ...rest] = await request.frame(head);
    continuations.set(buffer, rest);
    return { buffer };
  }
  return { buffer: encodeRequest(head, (await request.encode()).buffer) };
});

/** Stands for all messages of a send: they are encoded already. */
export interface BatchMessage {
  /** kafkajs wants one of each message. */
  readonly value: Buffer;
  readonly partition: number;
  readonly batch: RecordBatch;
}

/** Every send has one batch for a partition. */
replace(
  "producer/groupMessagesPerPartition.js",
  ({
    messages,
    partitionMetadata,
  }: {
    messages: readonly BatchMessage[];
    partitionMetadata: readonly unknown[];
  }) =>
    Object.fromEntries(
      partitionMetadata.length === 0 ? [] : messages.map(({ partition, batch }) => [partition, batch]),
    ),
);

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
