import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { TopicWriter } from "../../src/delivery/records/writer.ts";
import type { Positioned } from "../../src/recording/reader.ts";
import { query } from "../archive/support.ts";

/*
 * The writer of topic records remembers exchanges that are open. Agents decide how many there are, and how long they and
 * their answers get, so none of that may decide how much memory is used.
 */

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const MIB = 1024 * 1024;

function used(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("exchanges that never end, with answers of any size, do not add up", { timeout: 120_000 }, () => {
  const writer = new TopicWriter({ source: "bqtape://gateway-1/0" });
  const bytes = Buffer.alloc(32 * 1024, 32);
  let position = 0;
  const begin = (): void => {
    const { requested } = query({ session: "s-1", sql: `SELECT '${"x".repeat(10_000)}'` });
    const { exchange } = requested;
    const chunk = { exchange, direction: "response", sequence: 0, offset: 0, bytes } as const;
    const records: Positioned[] = [
      { record: { kind: "event", event: requested }, at: position, next: position + 12_000 },
      { record: { kind: "body", chunk }, at: position + 12_000, next: position + 12_000 + bytes.length },
    ];
    position += 12_000 + bytes.length;
    writer.write({ records, gaps: [], next: position });
  };
  for (let index = 0; index < 5_000; index++) begin();
  const before = used();
  for (let index = 0; index < 25_000; index++) begin();
  const growth = used() - before;
  assert.equal(growth < 8 * MIB, true, `${Math.round(growth / MIB)} MiB more after 25,000 exchanges more`);
  const checkpoint = JSON.stringify(writer.checkpoint()).length;
  assert.equal(checkpoint < 8 * MIB, true, `a checkpoint of ${Math.round(checkpoint / 1024)} KiB`);
});
