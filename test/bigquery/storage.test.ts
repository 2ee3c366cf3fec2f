import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Operation } from "../../src/bigquery/operation.ts";
import { AppendWatch } from "../../src/bigquery/storage-append.ts";
import { firstMessage } from "../../src/bigquery/storage-framing.ts";
import { describeMessage, describeStorage } from "../../src/bigquery/storage-methods.ts";
import { ReadSessions, SessionNameReader } from "../../src/bigquery/storage-sessions.ts";
import { field, framed } from "../support/http2.ts";

const TABLE = "projects/data/datasets/shop/tables/orders";
const PREFIX = "/google.cloud.bigquery.storage.v1.";

function operation(method: string): Operation {
  const description = describeStorage("POST", `${PREFIX}${method}`);
  assert.ok(description.known);
  return description.operation;
}

function described(method: string, message: Buffer, sessions = new ReadSessions()) {
  const description = describeMessage(operation(method), message, sessions);
  if (!description.known) return undefined;
  const { body: _, ...rest } = description.operation;
  return rest;
}

const DATA = { project: "data", dataset: "shop", table: "orders" };

test("CreateReadSession tells table, columns and who pays", () => {
  const options = Buffer.concat([field(1, "id"), field(1, "price"), field(2, "id > 3")]);
  const session = Buffer.concat([field(6, TABLE), field(8, options)]);
  const message = Buffer.concat([field(1, "projects/payer"), field(2, session), Buffer.from([0x18, 1])]);
  assert.deepEqual(described("BigQueryRead/CreateReadSession", message), {
    name: "storage.CreateReadSession",
    ...DATA,
    columns: ["id", "price"],
    billingProject: "payer",
  });
});

test("a stream of a session that was not seen is described without a table", () => {
  const stream = "projects/p/locations/eu/sessions/s/streams/t";
  assert.deepEqual(described("BigQueryRead/ReadRows", field(1, stream)), {
    name: "storage.ReadRows",
    project: "p",
    location: "eu",
    stream,
  });
});

test("a read session is forgotten when BigQuery has ended it", () => {
  let now = 0;
  const sessions = new ReadSessions(() => now);
  sessions.remember("s", DATA);
  assert.deepEqual(sessions.table("s"), DATA);
  now = 7 * 3_600_000;
  assert.equal(sessions.table("s"), undefined);
});

test("of many read sessions with many columns, the oldest are forgotten before they take 32 MiB", () => {
  const sessions = new ReadSessions();
  const remember = (name: string) => sessions.remember(name, { ...DATA, columns: ["x".repeat(8_000)] });
  for (let count = 0; count < 5_000; count += 1) remember(`s${count}`);
  assert.equal(sessions.table("s0"), undefined);
  assert.equal(sessions.table("s4999")?.table, "orders");
  // What is remembered anew takes no more than once.
  for (let count = 0; count < 5_000; count += 1) remember("again");
  assert.equal(sessions.table("s4999")?.table, "orders");
});

test("a stream tells that its session reads more columns than are known", () => {
  const sessions = new ReadSessions();
  const session = "projects/p/locations/eu/sessions/s";
  sessions.remember(session, { ...DATA, columns: ["id"], columnsTruncated: true });
  const read = described("BigQueryRead/ReadRows", field(1, `${session}/streams/t`), sessions);
  assert.deepEqual([read?.columns, read?.columnsTruncated], [["id"], true]);
});

test("a name that is too long for an event is none", () => {
  for (const method of ["AppendRows", "GetWriteStream", "FinalizeWriteStream", "FlushRows"]) {
    const stream = `projects/${"\u0001".repeat(10_000)}/datasets/d/tables/t/streams/s`;
    assert.equal(described(`BigQueryWrite/${method}`, field(1, stream)), undefined);
  }
});

test("write calls tell their table, by the stream or by its parent", () => {
  const stream = `${TABLE}/streams/s1`;
  for (const method of ["AppendRows", "GetWriteStream", "FinalizeWriteStream", "FlushRows"]) {
    const expected = { name: `storage.${method}`, ...DATA, stream };
    assert.deepEqual(described(`BigQueryWrite/${method}`, field(1, stream)), expected);
  }
  const create = Buffer.concat([field(1, TABLE), field(2, Buffer.alloc(0))]);
  assert.deepEqual(described("BigQueryWrite/CreateWriteStream", create), {
    name: "storage.CreateWriteStream",
    ...DATA,
  });
});

test("streams that are committed belong to the table that is named", () => {
  const commit = (stream: string) =>
    described("BigQueryWrite/BatchCommitWriteStreams", Buffer.concat([field(1, TABLE), field(2, stream)]));
  assert.equal(commit(`${TABLE}/streams/s1`)?.table, "orders");
  assert.equal(commit("projects/data/datasets/shop/tables/salaries/streams/s1"), undefined);
});

test("a field that comes twice is refused: protobuf takes the last, a reader could take the first", () => {
  const twice = Buffer.concat([field(1, `${TABLE}/streams/a`), field(1, `${TABLE}/streams/b`)]);
  assert.equal(described("BigQueryWrite/AppendRows", twice), undefined);
});

test("no bytes at all make the description throw", () => {
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = randomBytes(round % 64);
    for (const method of [
      "BigQueryRead/CreateReadSession",
      "BigQueryRead/ReadRows",
      "BigQueryWrite/AppendRows",
    ]) {
      described(method, bytes);
    }
    new AppendWatch(TABLE, "gzip").feed(bytes);
    new SessionNameReader().feed(bytes);
    firstMessage(bytes, "gzip");
  }
});

test("a session's name is found however its answer is cut", () => {
  const answer = framed(
    Buffer.concat([field(4, randomBytes(300)), field(1, "projects/p/sessions/s"), field(10, "x")]),
  );
  for (let size = 1; size < answer.length; size += 7) {
    const reader = new SessionNameReader();
    for (let at = 0; at < answer.length; at += size) reader.feed(answer.subarray(at, at + size));
    assert.equal(reader.name, "projects/p/sessions/s");
  }
});

test("another table in a later message is found however it is cut, before the message is whole", () => {
  const other = "projects/data/datasets/shop/tables/salaries/streams/s";
  const first = framed(Buffer.concat([field(1, `${TABLE}/streams/s`), field(4, "rows")]));
  const body = Buffer.concat([
    first,
    framed(field(4, "more")),
    framed(Buffer.concat([field(4, "x"), field(1, other)])),
  ]);
  for (let size = 1; size < body.length; size += 5) {
    const watch = new AppendWatch(TABLE, undefined);
    let passed = 0;
    for (let at = 0; at < body.length; at += size) {
      const chunk = body.subarray(at, at + size);
      if (watch.feed(chunk) !== undefined) break;
      passed += chunk.length;
    }
    assert.ok(passed < body.length, `in pieces of ${size} all passed`);
  }
});

test("compressed messages are looked into", () => {
  const compressed = gzipSync(field(1, "projects/data/datasets/shop/tables/salaries/streams/s"));
  const message = framed(compressed);
  message.writeUInt8(1, 0);
  assert.equal(new AppendWatch(TABLE, "gzip").feed(message)?.status, 403);
  assert.equal(new AppendWatch(TABLE, "snappy").feed(message)?.status, 400);
  assert.match(firstMessage(message, "gzip")?.toString() ?? "", /salaries/);
});
