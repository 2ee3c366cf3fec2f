import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { LiveJournal } from "../../src/delivery/messages.ts";
import { Pump } from "../../src/delivery/pump.ts";
import { Sender } from "../../src/delivery/sender.ts";
import { MAX_BATCH_BYTES, type Sink } from "../../src/delivery/sink.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal, query } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";

limitProcess(30_000);

const MIB = 1024 * 1024;

test("what may be stored follows what is acknowledged by about a MiB, however much is under way", {
  timeout: 20_000,
}, async (t) => {
  const journal = new HandWrittenJournal(temporaryDirectory());
  journal.events(gatewayStarted(uuidv7()));
  while (journal.end < 8 * MIB) journal.exchange(query({ session: "s", response: Buffer.alloc(64 * 1024) }));
  const { name, directory } = journal;
  const live: LiveJournal = {
    ...{ name, directory, end: new SharedArrayBuffer(8), acknowledged: new SharedArrayBuffer(8) },
  };
  /** Batches that are under way, by their acknowledgement. */
  const outstanding: (() => void)[] = [];
  const sink: Sink = {
    connect: async () => undefined,
    partitions: async () => 1,
    sendBatch: () => new Promise((resolve) => outstanding.push(resolve)),
    close: async () => undefined,
  };
  const sender = new Sender({
    open: async () => sink,
    onState: () => undefined,
    onChange: () => undefined,
  });
  const topic = { name: "topic", partitions: 1, maxBatchBytes: MAX_BATCH_BYTES };
  const pump = new Pump({
    journal: live,
    source: "bqtape://gateway/0",
    topics: { events: topic, bodies: { ...topic, name: "bodies" }, control: topic },
    partitions: { events: 1, bodies: 1 },
    from: undefined,
    sender,
  });
  t.after(() => pump.close());
  const sending = sender.run();
  // The whole window is read before anything is acknowledged, and only then a checkpoint is asked for.
  while (pump.step(journal.end, 16 * MIB)) {}
  pump.mark();
  await turn();
  sender.flush();

  const acknowledged = new BigInt64Array(live.acknowledged);
  let stored = 0;
  while (stored < journal.end) {
    outstanding.shift()?.();
    await turn();
    const checkpoint = pump.unstored;
    if (checkpoint !== undefined) {
      stored = checkpoint.writer.position;
      pump.stored(checkpoint);
    }
    const behind = Number(acknowledged[0]) - stored;
    assert.ok(behind >= 0 && behind <= 1.2 * MIB, `${behind} bytes would be sent again after a crash`);
  }
  sender.end();
  await sending;
});
