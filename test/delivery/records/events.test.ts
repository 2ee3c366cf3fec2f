import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_NAMES } from "../../../src/delivery/records/headers.ts";
import { fitEvent } from "../../../src/delivery/records/ocsf/event.ts";
import { MAX_EVENT_BYTES } from "../../../src/delivery/records/ocsf.ts";
import { readRecord } from "../../../src/delivery/records/read.ts";
import { gatewayStarted, query, sessionStarted } from "../../archive/support.ts";
import { Random } from "../../fuzz/random.ts";
import { hostileJournal } from "./hostile.ts";
import { eventOf, MemoryJournal, writeAll } from "./journal.ts";
import { eventValidator } from "./schemas.ts";

const limit = { timeout: 120_000 };
const events = writeAll(hostileJournal(new Random(2_024), 600)).filter(({ topic }) => topic === "events");
const invalid = eventValidator();

test("every event validates against the schema of its OCSF class, whatever it tells of", limit, () => {
  for (const record of events) {
    assert.equal(invalid(eventOf(record)), undefined, record.headers.ce_id);
  }
});

test("every kind of event is among those that were tried", () => {
  const tried = new Set(events.map(({ headers }) => headers.ce_type));
  assert.deepEqual([...tried].sort(), EVENT_NAMES.map((name) => `dev.bqtape.${name}`).sort());
});

test("no event is larger than 32 KiB, and hostile ones come close", () => {
  const largest = Math.max(...events.map(({ value }) => value.length));
  assert.equal(largest <= MAX_EVENT_BYTES, true, `${largest} bytes`);
  assert.equal(largest > MAX_EVENT_BYTES / 2, true, `${largest} bytes`);
});

test("every event is well-formed UTF-8 and JSON, and reads back as what was written", () => {
  for (const record of events) {
    const message = readRecord(record);
    assert.equal(message.kind, "event");
    assert.equal(JSON.stringify(message.event), record.value.toString());
    assert.equal(record.value.toString().isWellFormed(), true);
    assert.equal(message.event.metadata.uid, record.headers.ce_id);
  }
});

test("an event's type is its class and activity", () => {
  for (const record of events) {
    const { class_uid, activity_id, type_uid } = eventOf(record);
    assert.equal(type_uid, Number(class_uid) * 100 + Number(activity_id));
  }
});

test("the schemas refuse an attribute that they do not know, anywhere but under unmapped", () => {
  const event = eventOf(ended("SELECT 1"));
  assert.equal(invalid({ ...event, unmapped: { ...(event.unmapped as object), later: 1 } }), undefined);
  assert.match(invalid({ ...event, later: 1 }) ?? "", /must NOT have additional properties/);
  assert.match(
    invalid({ ...event, actor: { user: { name: "a", later: 1 } } }) ?? "",
    /additional properties/,
  );
});

test("the schemas refuse an event without an attribute that OCSF requires", () => {
  for (const name of [
    "activity_id",
    "class_uid",
    "type_uid",
    "time",
    "severity_id",
    "metadata",
    "actor",
    "cloud",
  ]) {
    const { [name]: _, ...event } = eventOf(ended("SELECT 1"));
    assert.notEqual(invalid(event), undefined, name);
  }
});

test("a long statement is cut between code points, and says its whole length and digest", () => {
  const sql = `SELECT '${"😀".repeat(5_000)}'`;
  const { query_info, metadata, unmapped } = eventOf(ended(sql)) as Record<string, Record<string, unknown>>;
  const kept = String(query_info?.query_string);
  assert.equal(sql.startsWith(kept) && kept.isWellFormed() && kept.length > 4_000, true);
  assert.partialDeepStrictEqual(metadata, { is_truncated: true });
  assert.equal(Number(metadata?.untruncated_size) >= 20, true, "kilobytes of the event with all of it");
  assert.deepEqual(
    [unmapped?.sql_truncated, unmapped?.sql_untruncated_size, String(unmapped?.sql_sha256).length],
    [true, Buffer.byteLength(sql), 64],
  );
});

test("what the journal cut already is told with the length and digest of the whole", () => {
  const operation = {
    sql: "SELECT 1",
    sqlTruncated: true,
    sqlBytes: 10_000_000,
    sqlSha256: "ab".repeat(32),
  } as const;
  const parts = query({ session: "s-1", operation });
  const end = writeAll(new MemoryJournal().exchange(parts)).at(-1);
  assert.ok(end !== undefined);
  assert.partialDeepStrictEqual(eventOf(end), {
    metadata: { is_truncated: true },
    unmapped: { sql_untruncated_size: 10_000_000, sql_sha256: "ab".repeat(32) },
  });
});

test("of very many headers the first are told, and how many there were", () => {
  const parts = query({ session: "s-1" });
  const headers = Array.from({ length: 4_000 }, (_, index) => [`x-${index}`, "v"] as const);
  const requested = { ...parts.requested, request: { ...parts.requested.request, headers } };
  const [begin] = writeAll(new MemoryJournal().exchange({ ...parts, requested }));
  assert.ok(begin !== undefined);
  assert.partialDeepStrictEqual(eventOf(begin), {
    http_request: { http_headers: [{ name: "x-0", value: "v" }] },
    metadata: { is_truncated: true },
    unmapped: { request_header_count: 4_000 },
  });
});

for (const [statementType, activity] of [
  ["SELECT", 4],
  ["MERGE", 2],
  ["INSERT", 5],
  ["CREATE_TABLE_AS_SELECT", 6],
  ["TRUNCATE_TABLE", 7],
] as const) {
  test(`a ${statementType} that BigQuery ran is OCSF's activity ${activity}`, () => {
    const answer = { jobReference: { jobId: "j" }, statementType, jobComplete: true };
    const parts = query({ session: "s-1", response: answer });
    const end = writeAll(new MemoryJournal().exchange(parts)).at(-1);
    assert.ok(end !== undefined);
    assert.equal(eventOf(end).type_uid, 600_500 + activity);
  });
}

for (const [name, type] of [
  ["jobs.getQueryResults", 600_501],
  ["tabledata.insertAll", 600_505],
  ["tables.list", 600_508],
  ["tables.delete", 600_507],
  ["storage.ReadRows", 600_501],
  ["storage.AppendRows", 600_505],
  ["jobs.cancel", 600_303],
  ["tables.setIamPolicy", 600_303],
  ["unknown", 600_399],
  ["tunnel", 400_201],
] as const) {
  test(`${name} is OCSF's type ${type}`, () => {
    const { requested } = query({ session: "s-1" });
    const { sql: _, ...operation } = requested.operation;
    const [begin] = writeAll(new MemoryJournal().events({ ...requested, operation: { ...operation, name } }));
    assert.ok(begin !== undefined);
    assert.equal(eventOf(begin).type_uid, type);
  });
}

function ended(sql: string) {
  const journal = new MemoryJournal().events(gatewayStarted(), sessionStarted("s-1"));
  const end = writeAll(journal.exchange(query({ session: "s-1", sql }))).at(-1);
  assert.ok(end !== undefined);
  return end;
}

test("an event that would be too large all the same loses headers, then columns, then SQL, and says so", () => {
  const headers = (count: number) =>
    Array.from({ length: count }, () => ({ name: "n", value: "v".repeat(1_000) }));
  const event = {
    metadata: {},
    http_request: { http_headers: headers(30), version: "1.1" },
    http_response: { http_headers: headers(2) },
    query_info: { query_string: "S".repeat(20_000) },
    unmapped: { columns: ["c"] },
  };
  const value = fitEvent(JSON.stringify(event));
  assert.equal(value.length <= MAX_EVENT_BYTES, true);
  assert.partialDeepStrictEqual(JSON.parse(value.toString()), {
    metadata: { is_truncated: true, untruncated_size: 52 },
    http_request: { version: "1.1" },
    http_response: { http_headers: headers(2) },
    query_info: { query_string: "S".repeat(20_000) },
    unmapped: { columns: ["c"] },
  });
});
