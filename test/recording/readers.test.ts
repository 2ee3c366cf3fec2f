import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { RecordedEvent } from "../../src/recording/events.ts";
import { Journal } from "../../src/recording/journal.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/* What a journal's writer has to do with its readers: those that deliver it, and those that let segments go. */

const limit = { timeout: 10_000 };

function event(gateway: string): RecordedEvent {
  return { type: "gateway.stopped", time: 1, gateway };
}

async function journalOf(t: TestContext, maxBytes = 1024 * 1024) {
  const acknowledged = new SharedArrayBuffer(8);
  const journal = await Journal.open({
    directory: temporaryDirectory(),
    maxBytes,
    segmentBytes: 500,
    acknowledged,
  });
  t.after(() => journal.close());
  const acknowledge = (position: number): void => {
    const shared = new BigInt64Array(acknowledged);
    Atomics.store(shared, 0, BigInt(position));
    Atomics.notify(shared, 0);
  };
  const append = (name: string): number => {
    journal.append({ kind: "event", event: event(name) });
    return journal.position;
  };
  return { journal, acknowledge, append };
}

async function filled(t: TestContext) {
  const under = await journalOf(t, 2_000);
  while (under.journal.hasRoom) {
    under.append("x".repeat(100));
    await under.journal.commit("written");
  }
  return under;
}

/** Resolves with what has happened by the time that everything that can happen now has. */
async function settledNow(promise: Promise<unknown>): Promise<"settled" | "pending"> {
  const settled = promise.then(
    () => "settled" as const,
    () => "settled" as const,
  );
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return await Promise.race([settled, "pending" as const]);
}

test(
  "what waits for Kafka is told when all in front of it is acknowledged, and no sooner",
  limit,
  async (t) => {
    const { journal, acknowledge, append } = await journalOf(t);
    const first = append("first");
    const firstCommitted = journal.commit("kafka");
    const second = append("second");
    const secondCommitted = journal.commit("kafka");
    acknowledge(first - 1);
    assert.equal(await settledNow(firstCommitted), "pending");
    acknowledge(first);
    await firstCommitted;
    assert.equal(await settledNow(secondCommitted), "pending");
    acknowledge(second);
    await secondCommitted;
  },
);

test("what Kafka has acknowledged already is not waited for", limit, async (t) => {
  const { journal, acknowledge, append } = await journalOf(t);
  acknowledge(append("only"));
  await journal.commit("kafka");
});

test("who waits for Kafka is told when the journal closes", limit, async (t) => {
  const { journal, append } = await journalOf(t);
  append("never");
  const rejected = assert.rejects(journal.commit("kafka"), { name: "JournalError", code: "closed" });
  await journal.close();
  await rejected;
});

test("who waits for room goes on when readers have let enough go", limit, async (t) => {
  const { journal } = await filled(t);
  const room = journal.room();
  assert.equal(await settledNow(room), "pending");
  await journal.trim(journal.position);
  await room;
  assert.equal(journal.hasRoom, true);
});

test("who waits for room is told when the journal closes", limit, async (t) => {
  const { journal } = await filled(t);
  const rejected = assert.rejects(journal.room(), { name: "JournalError", code: "closed" });
  await journal.close();
  await rejected;
});

test("a full journal still takes what belongs to exchanges that are under way", limit, async (t) => {
  const { journal, append } = await filled(t);
  append("the end of one");
  await journal.commit("fsync");
});

test("two readers may let segments go at the same time", limit, async (t) => {
  const { journal } = await filled(t);
  await Promise.all([journal.trim(journal.position), journal.trim(journal.position)]);
  assert.equal(journal.hasRoom, true);
});
