import assert from "node:assert/strict";
import { RecordBatch } from "../../src/delivery/record-batch.ts";
import { MAX_BATCH_BYTES, type SinkRecord } from "../../src/delivery/sink.ts";

export function record(id: string, more: Partial<SinkRecord> = {}): SinkRecord {
  return {
    key: "key",
    value: Buffer.from(id),
    headers: { ce_id: id },
    timestamp: 1_700_000_000_000,
    ...more,
  };
}

/** @throws when the records are more than a batch takes. */
export function batchOf(records: readonly SinkRecord[], maxBytes = MAX_BATCH_BYTES): RecordBatch {
  const batch = new RecordBatch(maxBytes);
  for (const record of records) assert.ok(batch.append(record), "too many records for a batch");
  return batch;
}
