import assert from "node:assert/strict";
import type { SinkRecord } from "../../src/delivery/sink.ts";
import type { ReadRecord } from "../kafka/read.ts";
import { record } from "./support.ts";

export const PARTITIONS = 4;
const KEYS_PER_PARTITION = 5;

/** The records of each partition; a key's are numbered from 0. */
export function someRecords(count: number): SinkRecord[][] {
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: count / PARTITIONS }, (_, at) => {
      const key = `${partition}-${at % KEYS_PER_PARTITION}`;
      return record(`${key}/${Math.floor(at / KEYS_PER_PARTITION)}`, { key });
    }),
  );
}

/** Asserts that each record is there, and each key's in their order once duplicates are dropped by id. */
export function assertDelivered(read: readonly ReadRecord[], sent: readonly (readonly SinkRecord[])[]): void {
  const seen = new Set<string>();
  const next = new Map<string, number>();
  for (const { key = "", headers, value } of read) {
    const id = headers.ce_id ?? "";
    assert.equal(value?.toString(), id);
    if (seen.has(id)) continue;
    seen.add(id);
    const number = next.get(key) ?? 0;
    assert.equal(id, `${key}/${number}`, "out of order, or one before it is missing");
    next.set(key, number + 1);
  }
  assert.deepEqual(
    [...seen].sort(),
    sent
      .flat()
      .map(({ headers }) => headers.ce_id ?? "")
      .sort(),
  );
}
