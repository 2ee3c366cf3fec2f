import { createRequire } from "node:module";

/*
 * kafkajs 2.2.4 sets a timer at each answer, to look for requests that wait because the broker throttled the client, and
 * computes its time from a throttling that never was: minus 1.7e12 ms, of which Node 24 warns (TimeoutNegativeWarning). The
 * timer is left out where nothing waits; where something does, its time is right. The version is pinned, and the suite of
 * the sink fails on the warning.
 */

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const { prototype } = createRequire(import.meta.url)("kafkajs/src/network/requestQueue/index.js") as {
  prototype: RequestQueue;
};

const schedule = prototype.scheduleCheckPendingRequests;

prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length > 0) schedule.call(this);
};
