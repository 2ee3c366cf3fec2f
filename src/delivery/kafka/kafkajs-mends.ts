import { createRequire } from "node:module";
import type { Socket } from "node:net";

/*
 * Three defects of kafkajs 2.2.4, mended where they are, since no option avoids them. Its version is pinned, and each has a
 * test: the suites of the sink fail on any warning, on any exception that nobody caught, and on a record that is missing.
 */

const require = createRequire(import.meta.url);

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
