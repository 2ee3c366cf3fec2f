import assert from "node:assert/strict";
import { test } from "node:test";
import type { TopicRecord } from "../../../src/delivery/records/headers.ts";
import { type ConsumedRecord, readRecord } from "../../../src/delivery/records/read.ts";
import { query } from "../../archive/support.ts";
import { Random } from "../../fuzz/random.ts";
import { hostileJournal } from "./hostile.ts";
import { MemoryJournal, writeAll } from "./journal.ts";

const parts = query({ session: "s-1", response: Buffer.from([0, 1, 2, 255]) });
const { exchange } = parts.requested;
const records = writeAll(new MemoryJournal().exchange(parts));

function named(idEnd: string): TopicRecord {
  const found = records.find(({ headers }) => headers.ce_id?.endsWith(idEnd));
  assert.ok(found !== undefined);
  return found;
}

test("a chunk reads back as the chunk of the journal", () => {
  const { time: _, ...message } = readRecord(named("/res/0"));
  assert.deepEqual(message, {
    kind: "body",
    id: `${exchange}/res/0`,
    source: "bqtape://gateway-1/0",
    key: exchange,
    exchange,
    direction: "response",
    sequence: 0,
    offset: 0,
    bytes: Buffer.from([0, 1, 2, 255]),
  });
});

test("a close reads back with what it says of the body", () => {
  const message = readRecord(named("/res/1"));
  assert.partialDeepStrictEqual(message, {
    sequence: 1,
    offset: 4,
    bytes: Buffer.alloc(0),
    close: {
      chunks: 1,
      length: 4,
      sha256: parts.completed.response.sha256,
      outcome: "complete",
      withheld: false,
    },
  });
});

test("an event reads back with its name, its place in the journal and its JSON", () => {
  assert.partialDeepStrictEqual(readRecord(named("/end")), {
    kind: "event",
    name: "exchange.completed",
    subject: exchange,
    key: "s-1",
    event: { class_uid: 6005, metadata: { event_code: "dev.bqtape.exchange.completed" } },
  });
});

test("records read back the same from every client: text or bytes, objects, lists or maps", () => {
  const record = named("/res/1");
  const bytes = Object.entries(record.headers).map(([name, value]) => [name, Buffer.from(value)] as const);
  const expected = readRecord(record);
  const forms: ConsumedRecord[] = [
    { ...record, key: Buffer.from(record.key), headers: Object.fromEntries(bytes) },
    { ...record, headers: Object.fromEntries(bytes.map(([name, value]) => [name, [value]])) },
    { ...record, headers: new Map(bytes.map(([name, value]) => [Buffer.from(name), value])) },
    { ...record, value: new Uint8Array(Buffer.from(record.value)) },
  ];
  for (const form of forms) assert.deepEqual(readRecord(form), expected);
});

test("all that is written of a hostile journal reads back", () => {
  for (const record of writeAll(hostileJournal(new Random(7), 200))) {
    assert.equal(readRecord(record).id, record.headers.ce_id);
  }
});

for (const [what, code, change] of [
  ["no CloudEvent", "not-a-cloudevent", (record) => ({ ...record, headers: {} })],
  [
    "of CloudEvents' next version",
    "not-a-cloudevent",
    (record) => withHeader(record, "ce_specversion", "2.0"),
  ],
  [
    "of a type that is not known",
    "unknown-type",
    (record) => withHeader(record, "ce_type", "dev.bqtape.later"),
  ],
  ["without its id", "header-missing", (record) => withHeader(record, "ce_id", undefined)],
  [
    "without its digest's neighbours",
    "header-missing",
    (record) => withHeader(record, "ce_outcome", undefined),
  ],
  ["with a number that is none", "malformed", (record) => withHeader(record, "ce_byteoffset", "-1")],
  ["with a time that is none", "malformed", (record) => withHeader(record, "ce_time", "yesterday")],
  ["whose id is another's", "malformed", (record) => withHeader(record, "ce_id", "other/res/1")],
  [
    "that closes elsewhere than it stands",
    "malformed",
    (record) => withHeader(record, "ce_totallength", "5"),
  ],
  [
    "whose value is null, which an empty body never is",
    "malformed",
    (record) => ({ ...record, value: null }),
  ],
] as const satisfies readonly (readonly [string, string, (record: TopicRecord) => ConsumedRecord])[]) {
  test(`a record ${what} is refused: ${code}`, () => {
    assert.throws(() => readRecord(change(named("/res/1"))), { name: "RecordError", code });
  });
}

test("an event whose value is another's is refused", () => {
  const record = { ...named("/end"), value: named("/begin").value };
  assert.throws(() => readRecord(record), { name: "RecordError", code: "malformed" });
});

function withHeader(record: TopicRecord, name: string, value: string | undefined): ConsumedRecord {
  return { ...record, headers: { ...record.headers, [name]: value } };
}
