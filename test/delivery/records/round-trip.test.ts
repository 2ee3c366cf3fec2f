import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyAssembler } from "../../../src/delivery/records/body-assembler.ts";
import type { TopicRecord } from "../../../src/delivery/records/headers.ts";
import { readRecord } from "../../../src/delivery/records/read.ts";
import { recordedEvent, type ToldEvent } from "../../../src/delivery/records/recorded.ts";
import { TopicWriter } from "../../../src/delivery/records/writer.ts";
import { canonicalize } from "../../../src/recording/canonical.ts";
import { recordHash } from "../../../src/recording/chain.ts";
import type { Checkpoint, RecordedEvent } from "../../../src/recording/events.ts";
import { JournalReader } from "../../../src/recording/reader.ts";
import { eventJson } from "../../../src/recording/serialize.ts";
import {
  gatewayStarted,
  HandWrittenJournal,
  query,
  refusal,
  sessionStarted,
  summary,
} from "../../archive/support.ts";
import { Random } from "../../fuzz/random.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { hostileJournal } from "./hostile.ts";
import { MemoryJournal, SOURCE, writeAll } from "./journal.ts";

const session = "s-1";
const source = { address: "10.0.0.7", port: 5_000 };
const ANN = {
  issuer: "https://idp.example",
  subject: "u-1",
  user: "ann@example.com",
  groups: ["analysts"],
};

function told(records: readonly TopicRecord[]): ToldEvent[] {
  return records
    .map((record) => readRecord(record))
    .flatMap((message) => (message.kind === "event" ? [recordedEvent(message)] : []));
}

test("what a gateway recorded is what a reader of the topic gets back", () => {
  const ordinary = query({ session });
  const storage = query({
    session,
    operation: {
      name: "storage.ReadRows",
      dataset: "shop",
      table: "orders",
      stream: "projects/p/locations/eu/sessions/s/streams/1",
      columns: ["id", "name"],
      billingProject: "payer",
    },
  });
  const { sql: _, ...operation } = storage.requested.operation;
  const failed = query({ session, status: 404, response: {} });
  const events: RecordedEvent[] = [
    gatewayStarted("run", 1_000),
    sessionStarted(session),
    {
      type: "session.started",
      time: 1_100,
      session: "o-1",
      principal: ANN,
      source,
      agent: "claude",
      purpose: "report",
      expiresAt: 9_000,
    },
    { type: "session.renewed", time: 1_200, session: "o-1", principal: ANN, source, renewBefore: 2_000 },
    { type: "session.ended", time: 1_300, session: "o-1", principal: ANN, because: "not-renewed" },
    {
      type: "session.revoked",
      time: 1_400,
      session: "o-1",
      principal: ANN,
      source,
      userAgent: "bqtape/1",
      because: "lost laptop",
      by: { ...ANN, groups: [] },
    },
    { type: "identity.refused", time: 1_500, source, reason: "expired", suppressed: 3, userAgent: "curl/8" },
    ordinary.requested,
    // BigQuery confirms the job and the location, and the end says what it confirmed.
    ordinary.completed,
    { ...storage.requested, operation },
    {
      ...storage.completed,
      outcome: "aborted",
      grpcStatus: 14,
      error: { code: "upstream.ECONNRESET", message: "BigQuery cannot be reached" },
    },
    failed.requested,
    {
      ...failed.completed,
      type: "exchange.denied",
      outcome: "denied",
      error: { code: "denied.doors", message: "no door" },
    },
    refusal(),
    { type: "gateway.stopped", time: 9_000, gateway: "run" },
  ];
  assert.deepEqual(told(writeAll(new MemoryJournal().events(...events))), events);
});

const link = { id: "018bcfe5-6800-7000-8000-000000000001", previous: "ab".repeat(32) };
const head = { ...link, hash: "cd".repeat(32), session, sequence: 4 };
const checkpoint: Checkpoint = {
  type: "checkpoint",
  time: 5_000,
  because: "interval",
  last: false,
  kid: "k".repeat(43),
  signature: "s".repeat(86),
};

/** The events with places in one chain. */
function chained(events: readonly RecordedEvent[]): RecordedEvent[] {
  return events.map((event, sequence) => ({ ...event, chain: { ...link, sequence } }));
}

test("what is read back has its place in the chain, and the very text that the digest is of", () => {
  const { requested, completed } = query({ session });
  const { hash, id, sequence } = head;
  const events = chained([
    gatewayStarted("run", 1_000),
    sessionStarted(session),
    { type: "session.ended", time: 1_300, session, principal: ANN, because: "owner" },
    { type: "identity.refused", time: 1_500, source, reason: "expired", suppressed: 3 },
    requested,
    completed,
    { ...completed, response: { ...completed.response, trailers: [["grpc-status", "0"]] } },
    refusal(),
    { ...checkpoint, session, because: "session-end", last: true },
    { ...checkpoint, heads: [{ hash, id, sequence, session }] },
    { type: "gateway.stopped", time: 9_000, gateway: "run" },
  ]);
  const back = told(writeAll(new MemoryJournal().events(...events)));
  assert.deepEqual(
    back.map((event) => canonicalize(event)),
    events.map((event) => canonicalize(event)),
  );
});

test("an event that was cut for the topic is read back with the digest that it had; others need none", () => {
  const { requested, completed } = query({ session, sql: "x".repeat(16_000) });
  const [begin, end] = chained([requested, completed]);
  assert.ok(begin !== undefined && end !== undefined);
  const [cut, whole] = told(writeAll(new MemoryJournal().events(begin, end)));
  assert.ok(cut !== undefined && "chain" in cut && whole !== undefined && "chain" in whole);
  assert.equal(cut.chain?.cut, recordHash(eventJson(begin)));
  assert.equal(whole.chain?.cut, undefined);
});

test("of a hostile journal, what does not say that it was cut is read back to the letter", () => {
  const { records } = hostileJournal(new Random(3), 60);
  const journal = new MemoryJournal();
  const texts = new Set<string>();
  for (const [sequence, { record }] of records.entries()) {
    if (record.kind !== "event") continue;
    const event = { ...record.event, chain: { ...link, sequence } };
    texts.add(eventJson(event));
    journal.events(JSON.parse(eventJson(event)) as RecordedEvent);
  }
  let whole = 0;
  for (const event of told(writeAll(journal))) {
    if (!("chain" in event) || event.chain === undefined || event.chain.cut !== undefined) continue;
    assert.ok(texts.has(eventJson(event)));
    whole += 1;
  }
  assert.ok(whole > 0);
});

test("a tunnel is read back as one", () => {
  const { requested, completed } = query({ session, operation: { name: "tunnel" } });
  const { sql: _, project: __, ...operation } = requested.operation;
  const authority = "[2001:db8::1]:443";
  const request = { method: "CONNECT", authority, target: authority, httpVersion: "1.1", headers: [] };
  const blind = { bytes: 10, chunks: 0 };
  const events: RecordedEvent[] = [
    { ...requested, request, operation },
    { ...completed, request: blind, response: { ...blind, headers: [] } },
  ];
  assert.deepEqual(told(writeAll(new MemoryJournal().events(...events))), events);
});

test("what a crash cut short is read back as incomplete, and a gap as a gap", () => {
  const { requested } = query({ session });
  const journal = new MemoryJournal().events(requested).gap(50).events(gatewayStarted("next", 7_000));
  assert.deepEqual(told(writeAll(journal)).slice(1), [
    {
      type: "recording.gap",
      time: 7_000,
      from: journal.gaps[0]?.from,
      to: journal.gaps[0]?.to,
      reason: "damaged",
    },
    { type: "exchange.incomplete", time: 7_000, exchange: requested.exchange },
    gatewayStarted("next", 7_000),
  ]);
});

test("of a hostile journal each event is read back as one of its type", () => {
  const types = new Set(told(writeAll(hostileJournal(new Random(9), 200))).map(({ type }) => type));
  assert.equal(types.size, 13);
});

test("from a journal's files to the topics and back, every body is sound, whatever the segments and batches", () => {
  const random = new Random(21);
  const journal = new HandWrittenJournal(temporaryDirectory()).events(
    gatewayStarted("run"),
    sessionStarted(session),
  );
  const bodies = new Map<string, Buffer>();
  for (let index = 0; index < 40; index++) {
    const response = random.bytes(random.integer(3_000));
    const parts = query({ session, response });
    const { exchange } = parts.requested;
    const size = 1 + random.integer(500);
    journal.events(parts.requested);
    for (let offset = 0, sequence = 0; offset < response.length; offset += size, sequence += 1) {
      const bytes = response.subarray(offset, offset + size);
      journal.chunk({ exchange, direction: "response", sequence, offset, bytes });
      if (random.once(10)) journal.segment();
    }
    const chunks = Math.ceil(response.length / size);
    const nothing = { ...summary(Buffer.alloc(0)), chunks: 0 };
    journal.events({
      ...parts.completed,
      request: nothing,
      response: { ...summary(response), chunks, headers: [] },
    });
    bodies.set(exchange, response);
  }
  const writer = new TopicWriter({ source: SOURCE });
  const reader = new JournalReader(journal.directory, writer.position);
  const assembler = new BodyAssembler();
  const rebuilt = new Map<string, Buffer[]>();
  const sound = new Set<string>();
  for (let batch = reader.read(1_000); batch.records.length > 0; batch = reader.read(1_000)) {
    for (const message of writer.write(batch).map((record) => readRecord(record))) {
      for (const part of message.kind === "body" ? assembler.add(message) : []) {
        if (part.kind === "bytes") {
          const before = rebuilt.get(part.exchange) ?? [];
          rebuilt.set(part.exchange, [...before, Buffer.from(part.bytes)]);
        } else if (part.kind === "end" && part.verdict.state === "sound") {
          sound.add(`${part.exchange}/${part.direction}`);
        }
      }
    }
  }
  reader.close();
  assert.equal(sound.size, 80);
  for (const [exchange, response] of bodies) {
    assert.deepEqual(Buffer.concat(rebuilt.get(exchange) ?? []), response);
  }
});
