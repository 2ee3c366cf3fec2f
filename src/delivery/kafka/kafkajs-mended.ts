import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { crc32c } from "@platformatic/kafka";

/*
 * kafkajs 2.2.4, to be had from here only. Three defects are mended where they are, since no option avoids them, and its
 * checksum is replaced. Its version is pinned, and each has a test: the suites of the sink fail on any warning, on any
 * exception that nobody caught, and on a record that is missing; and brokers refuse a batch whose checksum is wrong.
 */

const require = createRequire(import.meta.url);

const checksum = require.resolve("kafkajs/src/protocol/recordBatch/crc32C/index.js");
require(checksum);
const loaded = require.cache[checksum];
// Byte by byte in JavaScript it was a quarter of all that a batch costs. To be replaced before its users are loaded.
if (loaded !== undefined) loaded.exports = crc32c;

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
