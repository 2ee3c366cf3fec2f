import type { JournalRecord } from "../../src/recording/frame.ts";
import { Outbox } from "../../src/recording/outbox.ts";

/** A record as the journal writes it. */
export function frame(record: JournalRecord): Buffer {
  const outbox = new Outbox();
  outbox.add(record);
  return Buffer.concat(outbox.batch(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY).buffers);
}
