import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { RecordedEvent } from "../../src/recording/events.ts";
import { type Batch, JournalReader } from "../../src/recording/reader.ts";
import { SEGMENT_HEADER } from "../../src/recording/segments.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal } from "../archive/support.ts";
import { frame } from "../support/frames.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const MEBIBYTE = 1024 * 1024;
const limit = { timeout: 20_000 };

test("a reader reads across segments without a gap", limit, (t) => {
  const journal = writtenJournal();
  journal.events(named("a"), named("b")).segment().events(named("c"));
  const batch = readerOf(t, journal).read(MEBIBYTE);
  assert.deepEqual(namesOf(batch), ["a", "b", "c"]);
  assert.deepEqual(batch.gaps, []);
  assert.equal(batch.next, journal.end);
});

test("records say where they stand: each begins where the one before ends", limit, (t) => {
  const journal = writtenJournal().events(named("a")).segment().events(named("b"));
  const { records } = readerOf(t, journal).read(MEBIBYTE);
  assert.deepEqual(
    records.map(({ at }) => at),
    [0, records[0]?.next],
  );
});

test("a frame that is still being written is waited for", limit, (t) => {
  const whole = frame({ kind: "event", event: named("late") });
  const journal = writtenJournal().events(named("a")).bytes(whole.subarray(0, 20));
  const reader = readerOf(t, journal);
  assert.deepEqual(namesOf(reader.read(MEBIBYTE)), ["a"]);
  const waiting = reader.read(MEBIBYTE);
  assert.deepEqual([waiting.records, waiting.gaps], [[], []]);
  journal.bytes(whole.subarray(20));
  assert.deepEqual(namesOf(reader.read(MEBIBYTE)), ["late"]);
});

test(
  "a damaged frame in a final segment is a gap to the next segment, and reading goes on there",
  limit,
  (t) => {
    const journal = writtenJournal().events(named("a"));
    const from = journal.end;
    journal.events(named("broken"), named("lost"));
    damage(journal.path, SEGMENT_HEADER + from + 14);
    journal.segment().events(named("b"));
    const batch = readerOf(t, journal).read(MEBIBYTE);
    assert.deepEqual(namesOf(batch), ["a", "b"]);
    const base = batch.records[1]?.at;
    assert.deepEqual(batch.gaps, [{ from, to: base, reason: "damaged" }]);
  },
);

test("a segment whose header is damaged is a gap, and not one of its frames is trusted", limit, (t) => {
  const journal = writtenJournal().events(named("a")).segment();
  const from = journal.end;
  damage(journal.events(named("b")).path, 1);
  journal.segment().events(named("c"));
  const batch = readerOf(t, journal).read(MEBIBYTE);
  assert.deepEqual(namesOf(batch), ["a", "c"]);
  assert.deepEqual(
    batch.gaps.map((gap) => [gap.from, gap.reason]),
    [[from, "damaged"]],
  );
});

test("a last segment whose header is damaged is refused, each time anew", limit, (t) => {
  const journal = writtenJournal().events(named("a"));
  damage(journal.path, 1);
  const reader = readerOf(t, journal);
  assert.throws(() => reader.read(MEBIBYTE), /not a segment of a bqtape journal/);
  assert.throws(() => reader.read(MEBIBYTE), /not a segment of a bqtape journal/);
});

test("segments that were trimmed away are a gap from where reading stood", limit, (t) => {
  const journal = writtenJournal().events(named("a"));
  const first = journal.path;
  journal.segment().events(named("b"));
  const reader = readerOf(t, journal);
  rmSync(first);
  const batch = reader.read(MEBIBYTE);
  assert.deepEqual(namesOf(batch), ["b"]);
  assert.deepEqual(batch.gaps, [{ from: 0, to: batch.records[0]?.at, reason: "missing" }]);
});

test("a hole between two segments is a gap", limit, (t) => {
  const journal = writtenJournal().events(named("a"));
  const from = journal.end;
  journal.segment(from + 1_000).events(named("b"));
  const batch = readerOf(t, journal).read(MEBIBYTE);
  assert.deepEqual(namesOf(batch), ["a", "b"]);
  assert.deepEqual(batch.gaps, [{ from, to: from + 1_000, reason: "missing" }]);
});

test("a frame longer than what is read at a time comes whole", limit, (t) => {
  const bytes = Buffer.alloc(3 * MEBIBYTE, 7);
  const chunk = { exchange: uuidv7(), direction: "response", sequence: 0, offset: 0, bytes } as const;
  const journal = writtenJournal()
    .events(named("a"))
    .bytes(frame({ kind: "body", chunk }));
  const reader = readerOf(t, journal);
  const records = [...reader.read(MEBIBYTE).records, ...reader.read(MEBIBYTE).records];
  const last = records.at(-1)?.record;
  assert.ok(last?.kind === "body");
  assert.ok(bytes.equals(last.chunk.bytes));
});

test("a batch ends near its limit, and the next goes on behind it", limit, (t) => {
  const journal = writtenJournal();
  for (let index = 0; index < 100; index++) journal.events(named(String(index)));
  const reader = readerOf(t, journal);
  const first = reader.read(500);
  assert.ok(first.records.length < 20);
  const rest = reader.read(MEBIBYTE);
  assert.deepEqual(
    [...namesOf(first), ...namesOf(rest)],
    Array.from({ length: 100 }, (_, index) => String(index)),
  );
});

function writtenJournal(): HandWrittenJournal {
  return new HandWrittenJournal(temporaryDirectory());
}

function readerOf(t: { after(done: () => void): void }, journal: HandWrittenJournal): JournalReader {
  const reader = new JournalReader(journal.directory, 0);
  t.after(() => reader.close());
  return reader;
}

function named(name: string): RecordedEvent {
  return gatewayStarted(name);
}

function namesOf(batch: Batch): string[] {
  return batch.records.map(({ record }) =>
    record.kind === "event" && record.event.type === "gateway.started" ? record.event.gateway : record.kind,
  );
}

function damage(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  writeFileSync(path, bytes);
}
