import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { Journal } from "../../src/recording/journal.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { finishScrub, scrub } from "../../src/recording/scrub.ts";
import { sealedForm } from "../../src/recording/sealed-form.ts";
import { SEGMENT_HEADER } from "../../src/recording/segments.ts";
import { HandWrittenJournal, query } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const LONG = `SELECT ${"'planted', ".repeat(20)} 1`;
const all = () => true;

function recordsOf(journal: HandWrittenJournal) {
  const reader = new JournalReader(journal.directory, 0);
  try {
    return reader.read(16 * 1024 * 1024);
  } finally {
    reader.close();
  }
}

test("what is scrubbed keeps its place and length, and is sound", () => {
  const parts = query({ session: "s", sql: LONG });
  const journal = new HandWrittenJournal(temporaryDirectory()).exchange(parts);
  const before = recordsOf(journal);
  assert.equal(scrub(journal.directory, journal.end, all), 3);
  const after = recordsOf(journal);
  assert.deepEqual(
    after.records.map(({ at, next }) => [at, next]),
    before.records.map(({ at, next }) => [at, next]),
  );
  assert.deepEqual(after.gaps, []);
  const [requested, request, , completed] = after.records.map(({ record }) => record);
  assert.deepEqual(requested, { kind: "event", event: sealedForm(parts.requested) });
  assert.ok(request?.kind === "body" && request.chunk.bytes.every((byte) => byte === 0));
  assert.deepEqual(completed, { kind: "event", event: parts.completed });
  assert.equal(readFileSync(journal.path).includes("planted"), false);
  assert.equal(scrub(journal.directory, journal.end, all), 0);
});

test("of SQL too short to give way to its digest, nothing stays", () => {
  const parts = query({ session: "s", sql: "SELECT planted" });
  const journal = new HandWrittenJournal(temporaryDirectory()).exchange(parts);
  scrub(journal.directory, journal.end, all);
  const [first] = recordsOf(journal).records;
  const operation = { ...parts.requested.operation, sql: "" };
  assert.deepEqual(first?.record, { kind: "event", event: { ...parts.requested, operation } });
});

test("records that are not meant, or are not passed yet, stay as they are", () => {
  const [first, second, third] = [1, 2, 3].map((n) => query({ session: `s-${n}`, sql: LONG }));
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const journal = new HandWrittenJournal(temporaryDirectory()).exchange(first).exchange(second);
  const passed = journal.end;
  journal.segment().exchange(third);
  const before = recordsOf(journal).records.map(({ record }) => record);
  const scrubbed = scrub(journal.directory, passed, (record) =>
    record.kind === "event" ? "session" in record.event && record.event.session !== "s-1" : true,
  );
  // Of the second its event, of both their bodies.
  assert.equal(scrubbed, 5);
  const after = recordsOf(journal).records.map(({ record }) => record);
  assert.deepEqual(after[0], before[0]);
  assert.deepEqual(after.slice(8), before.slice(8));
});

test("a scrub that was cut short in the middle of a frame is finished before the journal is opened", async () => {
  const parts = query({ session: "s", sql: LONG });
  const journal = new HandWrittenJournal(temporaryDirectory()).exchange(parts);
  journal.exchange(query({ session: "s" }));
  const before = recordsOf(journal).records;
  const [, body] = before;
  assert.ok(body?.frame !== undefined);
  // What the scrub was about to write, and half of it written.
  const frame = Buffer.from(body.frame.memory.subarray(body.frame.start, body.frame.end)).fill(0, 40);
  frame.writeUInt32LE(crc32(frame.subarray(4)), 0);
  const redo = Buffer.concat([Buffer.alloc(24), frame]);
  redo.writeBigUInt64LE(BigInt(SEGMENT_HEADER + body.at), 12);
  redo.writeUInt32LE(frame.length, 20);
  redo.writeUInt32LE(crc32(redo.subarray(4)), 0);
  writeFileSync(join(journal.directory, "scrub.redo"), redo);
  const file = readFileSync(journal.path);
  file.set(frame.subarray(0, frame.length / 2), SEGMENT_HEADER + body.at);
  writeFileSync(journal.path, file);
  const opened = await Journal.open({ directory: journal.directory, maxBytes: 1e9 });
  await opened.close();
  assert.equal(opened.recovery.truncatedBytes, 0);
  const after = recordsOf(journal);
  assert.equal(after.records.length, before.length);
  assert.deepEqual(after.gaps, []);
});

test("what was about to be written and is not whole itself is left alone: nothing was overwritten yet", () => {
  const journal = new HandWrittenJournal(temporaryDirectory()).exchange(query({ session: "s" }));
  const before = readFileSync(journal.path);
  for (const redo of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(100, 7)]) {
    writeFileSync(join(journal.directory, "scrub.redo"), redo);
    finishScrub(journal.directory);
    assert.deepEqual(readFileSync(journal.path), before);
  }
});
