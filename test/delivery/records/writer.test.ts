import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { TopicRecord } from "../../../src/delivery/records/headers.ts";
import { LOOK_BACK } from "../../../src/delivery/records/open-exchanges.ts";
import { startingAt, TopicWriter, type WriterCheckpoint } from "../../../src/delivery/records/writer.ts";
import type { ExchangeCompleted, ExchangeRequested, RecordedEvent } from "../../../src/recording/events.ts";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { gatewayStarted, query, refusal, sessionStarted } from "../../archive/support.ts";
import { Random } from "../../fuzz/random.ts";
import { hostileJournal } from "./hostile.ts";
import { eventOf, ids, MemoryJournal, SOURCE, writeAll } from "./journal.ts";

const session = "s-1";

function only(records: readonly TopicRecord[], idEnd: string): TopicRecord {
  const found = records.filter(({ headers }) => headers.ce_id?.endsWith(idEnd));
  assert.equal(found.length, 1, `one record ${idEnd} among ${ids(records).join(" ")}`);
  return found[0] as TopicRecord;
}

test("an exchange becomes its request's event, its bytes, a close for each body, and its end", () => {
  const parts = query({ session });
  const { exchange } = parts.requested;
  const records = writeAll(new MemoryJournal().exchange(parts));
  assert.deepEqual(ids(records), [
    `${exchange}/begin`,
    `${exchange}/req/0`,
    `${exchange}/res/0`,
    `${exchange}/req/1`,
    `${exchange}/res/1`,
    `${exchange}/end`,
  ]);
});

test("an event is a CloudEvent in Kafka's binary mode, keyed by its session", () => {
  const parts = query({ session, time: 1_700_000_000_000 });
  const { exchange } = parts.requested;
  const journal = new MemoryJournal().events(sessionStarted(session)).exchange(parts);
  const { value: _, ...record } = only(writeAll(journal), "/begin");
  assert.deepEqual(record, {
    topic: "events",
    key: session,
    headers: {
      "content-type": "application/json",
      ce_specversion: "1.0",
      ce_id: `${exchange}/begin`,
      ce_source: SOURCE,
      ce_type: "dev.bqtape.exchange.requested",
      ce_time: "2023-11-14T22:13:20.000Z",
      ce_subject: exchange,
      ce_partitionkey: session,
      ce_sequence: String(journal.records[1]?.at).padStart(20, "0"),
    },
    timestamp: 1_700_000_000_000,
  });
});

test("a chunk is its bytes as they are, keyed by its exchange, timed by the exchange's id", () => {
  const exchange = "018bcfe5-6800-7000-8000-000000000001";
  const bytes = Buffer.from([0, 255, 10, 13]);
  const chunk = { exchange, direction: "response", sequence: 3, offset: 700, bytes } as const;
  const [record] = writeAll(new MemoryJournal().chunk(chunk));
  assert.deepEqual(record, {
    topic: "bodies",
    key: exchange,
    value: bytes,
    headers: {
      "content-type": "application/octet-stream",
      ce_specversion: "1.0",
      ce_id: `${exchange}/res/3`,
      ce_source: SOURCE,
      ce_type: "dev.bqtape.body",
      ce_time: "2023-11-14T22:13:20.000Z",
      ce_subject: exchange,
      ce_partitionkey: exchange,
      ce_sequence: "00000000000000000003",
      ce_direction: "response",
      ce_byteoffset: "700",
      ce_final: "false",
    },
    timestamp: 1_700_000_000_000,
  });
});

test("the close of a body has no bytes, and says how many there were, their digest, how it ended and its encoding", () => {
  const parts = query({ session, response: Buffer.from("compressed") });
  const headers = [["Content-Encoding", "gzip"]] as const;
  const completed = { ...parts.completed, response: { ...parts.completed.response, headers } };
  const { value, headers: attributes } = only(
    writeAll(new MemoryJournal().exchange({ ...parts, completed })),
    "/res/1",
  );
  assert.equal(value.length, 0);
  const {
    ce_final,
    ce_chunkcount,
    ce_totallength,
    ce_byteoffset,
    ce_bodysha256,
    ce_outcome,
    ce_contentencoding,
  } = attributes;
  assert.deepEqual(
    { ce_final, ce_chunkcount, ce_totallength, ce_byteoffset, ce_bodysha256, ce_outcome, ce_contentencoding },
    {
      ce_final: "true",
      ce_chunkcount: "1",
      ce_totallength: "10",
      ce_byteoffset: "10",
      ce_bodysha256: createHash("sha256").update("compressed").digest("hex"),
      ce_outcome: "complete",
      ce_contentencoding: "gzip",
    },
  );
});

test("an empty body is one record with a value of no bytes", () => {
  const parts = query({ session, request: Buffer.alloc(0) });
  const { value, headers } = only(writeAll(new MemoryJournal().exchange(parts)), "/req/0");
  assert.deepEqual([value, headers.ce_totallength, headers.ce_outcome], [Buffer.alloc(0), "0", "complete"]);
});

test("a body that was withheld is closed with its length and digest, and says that it was withheld", () => {
  const parts = query({ session, operation: { name: "oauth2.token" } });
  const response = { ...parts.completed.response, bytes: 1_234, chunks: 0 };
  const journal = new MemoryJournal().events(parts.requested, { ...parts.completed, response });
  const records = writeAll(journal);
  const { headers } = only(records, "/res/0");
  assert.deepEqual(
    [headers.ce_withheld, headers.ce_totallength, headers.ce_chunkcount],
    ["true", "1234", "0"],
  );
  assert.equal(
    (eventOf(only(records, "/end")).unmapped as Record<string, unknown>).response_kept,
    "withheld",
  );
});

test("a tunnel's end is tunnel.closed with its bytes, and no body stands for what passed unseen", () => {
  const records = writeAll(new MemoryJournal().events(...tunnel()));
  assert.deepEqual(
    records.map(({ headers }) => headers.ce_type),
    ["dev.bqtape.exchange.requested", "dev.bqtape.tunnel.closed"],
  );
  assert.partialDeepStrictEqual(eventOf(only(records, "/end")), {
    class_uid: 4002,
    traffic: { bytes: 1_500, bytes_in: 1_000, bytes_out: 500 },
    dst_endpoint: { hostname: "api.anthropic.com", port: 443 },
    actor: { user: { name: "alice" } },
    unmapped: { request_kept: "unseen", response_kept: "unseen" },
  });
});

test("a completed exchange's event says all that its request's said, and what BigQuery answered", () => {
  const journal = new MemoryJournal()
    .events(sessionStarted(session))
    .exchange(query({ session, sql: "SELECT id, name FROM shop.customers" }));
  assert.partialDeepStrictEqual(eventOf(only(writeAll(journal), "/end")), {
    class_uid: 6005,
    type_uid: 600504,
    status_id: 1,
    duration: 25,
    actor: {
      user: { name: "alice", uid: "local:alice", groups: [{ name: "analysts" }] },
      session: { uid: session },
    },
    src_endpoint: { ip: "127.0.0.1", port: 51_234 },
    policy: { name: "default" },
    query_info: { query_string: "SELECT id, name FROM shop.customers", uid: "job_1" },
    http_response: { code: 200 },
    metadata: { correlation_uid: session },
    unmapped: { rows: 2, bytes_processed: 12_345, credential: "sa@shop-project.iam.gserviceaccount.com" },
  });
});

test("the same journal gives the same records in whichever batches it is read", () => {
  const journal = busyJournal();
  const whole = writeAll(journal);
  for (const size of [1, 2, 3, 7]) {
    const writer = new TopicWriter({ source: SOURCE });
    const records: TopicRecord[] = [];
    while (writer.position < journal.end) records.push(...writer.write(journal.batch(writer.position, size)));
    assert.deepEqual(records, whole, `in batches of ${size}`);
  }
});

test("a writer that goes on from any checkpoint makes what the first would have made, byte for byte", () => {
  const journal = busyJournal();
  const whole = writeAll(journal);
  const writer = new TopicWriter({ source: SOURCE });
  let made = 0;
  while (writer.position < journal.end) {
    made += writer.write(journal.batch(writer.position, 1)).length;
    const checkpoint = JSON.parse(JSON.stringify(writer.checkpoint())) as WriterCheckpoint;
    assert.deepEqual(writeAll(journal, checkpoint), whole.slice(made), `from ${checkpoint.position}`);
  }
  assert.equal(made, whole.length);
});

test("an exchange that is open for longer than is read again is found in the checkpoint, and does not hold the journal", () => {
  const open = query({ session, sql: "SELECT 1" });
  const big = query({ session });
  const bytes = Buffer.alloc(LOOK_BACK + 1024 * 1024, 7);
  const journal = new MemoryJournal()
    .events(sessionStarted(session), ...tunnel().slice(0, 1), open.requested)
    .body(big.requested.exchange, "request", bytes)
    .events(big.requested);
  const writer = new TopicWriter({ source: SOURCE });
  writer.write(journal.batch(0));
  const checkpoint = writer.checkpoint();
  assert.equal(checkpoint.resume, journal.records.at(-1)?.at, "what is old does not hold it");
  assert.equal(checkpoint.open.length, 2);
  journal.events(open.completed);
  const rest = new TopicWriter({ source: SOURCE, from: JSON.parse(JSON.stringify(checkpoint)) });
  const ended = rest.write(journal.batch(rest.position));
  assert.deepEqual(ended, writer.write(journal.batch(writer.position)));
  assert.partialDeepStrictEqual(eventOf(only(ended, "/end")), {
    query_info: { query_string: "SELECT 1" },
    actor: { user: { groups: [{ name: "analysts" }] } },
  });
});

test("what a crash of the gateway cut short is ended by the next run: incomplete, its bodies closed as aborted", () => {
  const parts = query({ session });
  const { exchange } = parts.requested;
  const journal = new MemoryJournal()
    .events(gatewayStarted("first"), parts.requested)
    .body(exchange, "request", parts.request)
    .body(exchange, "response", Buffer.from("half an ans"), 4)
    .events(gatewayStarted("second", 9_000));
  const records = writeAll(journal);
  const { ce_chunkcount, ce_totallength, ce_outcome, ce_bodysha256 } = only(
    records,
    `${exchange}/res/3`,
  ).headers;
  assert.deepEqual(
    [ce_chunkcount, ce_totallength, ce_outcome, ce_bodysha256],
    ["3", "11", "aborted", undefined],
  );
  const end = only(records, `${exchange}/end`);
  assert.equal(end.headers.ce_type, "dev.bqtape.exchange.completed");
  assert.partialDeepStrictEqual(eventOf(end), {
    time: 9_000,
    status_id: 99,
    status: "Incomplete",
    actor: { user: { name: "alice" } },
    unmapped: { outcome: "incomplete", gateway_run: "first" },
  });
});

test("a writer that starts where a trimmed journal does tells no gap in front of it", () => {
  const journal = new MemoryJournal().gap(1_000, "missing").exchange(query({ session }));
  assert.equal(writeAll(journal, startingAt(1_000)).length, 6);
});

test("a gap in the journal is an event in front of what follows it, with that record's time", () => {
  const parts = query({ session, time: 5_000 });
  const journal = new MemoryJournal().events(gatewayStarted("run")).gap(100).events(parts.requested);
  const records = writeAll(journal);
  assert.equal(records.length, 3);
  const gap = records[1] as TopicRecord;
  assert.equal(gap.headers.ce_type, "dev.bqtape.recording.gap");
  assert.partialDeepStrictEqual(eventOf(gap), {
    class_uid: 6008,
    time: 5_000,
    is_alert: true,
    unmapped: { gap_bytes: 100, gap_reason: "damaged" },
  });
});

test("an event that this version does not know is told as a gap, and stops nothing", () => {
  const journal = new MemoryJournal()
    .events({ type: "cache.warmed", time: 1 } as unknown as RecordedEvent)
    .exchange(query({ session }));
  const records = writeAll(journal);
  assert.partialDeepStrictEqual(eventOf(records[0] as TopicRecord), {
    unmapped: { gap_reason: "unreadable" },
  });
  assert.equal(records.length, 7);
});

test("a gap in front of an event that this version does not know is told all the same", () => {
  const journal = new MemoryJournal()
    .events(gatewayStarted("run"))
    .gap(100)
    .events({ type: "cache.warmed", time: 1 } as unknown as RecordedEvent)
    .events(query({ session }).requested);
  const reasons = writeAll(journal).map(
    (record) => (eventOf(record).unmapped as Record<string, unknown>).gap_reason,
  );
  assert.deepEqual(reasons, [undefined, "damaged", "unreadable", undefined]);
});

test("a hostile journal gives the same records from any checkpoint, too", { timeout: 60_000 }, () => {
  const journal = hostileJournal(new Random(5), 150);
  const whole = writeAll(journal);
  const writer = new TopicWriter({ source: SOURCE });
  let made = 0;
  while (writer.position < journal.end) {
    made += writer.write(journal.batch(writer.position, 37)).length;
    const checkpoint = JSON.parse(JSON.stringify(writer.checkpoint())) as WriterCheckpoint;
    assert.deepEqual(writeAll(journal, checkpoint), whole.slice(made), `from ${checkpoint.position}`);
  }
});

test("of exchanges that run for long the latest two thousand are remembered, and the others' ends say less", () => {
  const all = Array.from({ length: 2_100 }, () => query({ session }));
  const last = query({ session });
  const journal = new MemoryJournal()
    .events(...all.map(({ requested }) => requested))
    .body(last.requested.exchange, "request", Buffer.alloc(LOOK_BACK))
    .events(last.requested);
  const writer = new TopicWriter({ source: SOURCE });
  writer.write(journal.batch(0));
  assert.equal(writer.checkpoint().open.length, 2_000);
  const [first, newest] = [all[0], all.at(-1)].map((parts) => parts?.completed ?? assert.fail());
  assert.ok(first !== undefined && newest !== undefined);
  journal.events(first, newest);
  const ends = writer.write(journal.batch(writer.position)).filter(({ topic }) => topic === "events");
  assert.deepEqual(
    ends.map((record) => (eventOf(record).unmapped as Record<string, unknown>).request_unknown),
    [true, undefined],
  );
});

test("of sessions the thousand used last are remembered", () => {
  const sessions = Array.from({ length: 1_100 }, (_, index) => sessionStarted(`s-${index}`));
  const journal = new MemoryJournal().events(...sessions);
  const writer = new TopicWriter({ source: SOURCE });
  writer.write(journal.batch(0));
  const known = writer.checkpoint().sessions.map(([name]) => name);
  assert.deepEqual([known.length, known[0], known.at(-1)], [1_000, "s-100", "s-1099"]);
});

test("a refusal before there was a session is keyed by its exchange and tells what was asked", () => {
  const plain = refusal();
  assert.ok(plain.refused !== undefined);
  const request = { ...plain.refused.request, headers: [["Host", "evil.example"]] as const };
  const denied = { ...plain, refused: { ...plain.refused, request } };
  const end = only(writeAll(new MemoryJournal().events(denied)), "/end");
  assert.equal(end.key, denied.exchange);
  assert.equal(end.headers.ce_type, "dev.bqtape.exchange.denied");
  assert.partialDeepStrictEqual(eventOf(end), {
    action_id: 2,
    disposition_id: 2,
    status_detail: "evil.example is not a host of BigQuery",
    http_request: {
      http_method: "CONNECT",
      url: { hostname: "evil.example", port: 443 },
      http_headers: [{ name: "Host", value: "evil.example" }],
    },
  });
});

test("no body is claimed of a request that was refused before it was read", () => {
  const records = writeAll(new MemoryJournal().events(refusal()));
  assert.deepEqual(
    records.filter(({ headers }) => headers.ce_direction === "request"),
    [],
  );
});

test("an end whose beginning is not in the journal any more still tells what it knows", () => {
  const { completed } = query({ session });
  assert.partialDeepStrictEqual(eventOf(only(writeAll(new MemoryJournal().events(completed)), "/end")), {
    class_uid: 6003,
    activity_id: 99,
    actor: { session: { uid: session } },
    http_response: { code: 200 },
    unmapped: { exchange: completed.exchange, request_unknown: true },
  });
});

test("the request of an aborted exchange counts as whole when it has the length that was declared", () => {
  const parts = query({ session });
  const { bytes } = parts.completed.request;
  const outcomeOf = (declared: string): string | undefined => {
    const headers = [["Content-Length", declared]] as const;
    const requested = { ...parts.requested, request: { ...parts.requested.request, headers } };
    const error = { code: "agent.gone", message: "the agent left" };
    const completed = { ...parts.completed, outcome: "aborted", error } as const;
    const records = writeAll(new MemoryJournal().exchange({ ...parts, requested, completed }));
    return only(records, "/req/1").headers.ce_outcome;
  };
  assert.deepEqual([outcomeOf(String(bytes)), outcomeOf(String(bytes + 1))], ["complete", "aborted"]);
});

function tunnel(): [ExchangeRequested, ExchangeCompleted] {
  const { requested, completed } = query({ session, operation: { name: "tunnel" } });
  const { sql: _, project: __, ...operation } = requested.operation;
  const authority = "api.anthropic.com:443";
  const request = { method: "CONNECT", authority, target: authority, httpVersion: "1.1", headers: [] };
  return [
    { ...requested, request, operation },
    {
      ...completed,
      request: { bytes: 500, chunks: 0 },
      response: { bytes: 1_000, chunks: 0, headers: [] },
    },
  ];
}

/** Two runs with exchanges side by side, a gap, a tunnel and refusals. */
function busyJournal(): MemoryJournal {
  const [first, second, third] = [
    query({ session }),
    query({ session: "s-2", user: "bob" }),
    query({ session }),
  ];
  const [opened, closed] = tunnel();
  const unknown = { type: "cache.warmed", time: 1 } as unknown as RecordedEvent;
  return new MemoryJournal()
    .events(gatewayStarted("one"), sessionStarted(session), opened, first.requested)
    .body(first.requested.exchange, "request", first.request, 8)
    .events(sessionStarted("s-2", "bob"), second.requested)
    .body(first.requested.exchange, "response", first.response, 100)
    .gap(64)
    .events(first.completed, unknown)
    .body(second.requested.exchange, "request", second.request)
    .events(refusal(), closed)
    .gap(10, "missing")
    .events(gatewayStarted("two", 4_000), third.requested)
    .body(third.requested.exchange, "response", third.response, 50)
    .events(third.completed, { type: "gateway.stopped", time: 5_000, gateway: "two" })
    .exchange({
      ...third,
      requested: { ...third.requested, exchange: uuidv7() },
      completed: third.completed,
    });
}
