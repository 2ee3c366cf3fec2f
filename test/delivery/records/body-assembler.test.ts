import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyAssembler, type BodyPart } from "../../../src/delivery/records/body-assembler.ts";
import { type BodyMessage, readRecord } from "../../../src/delivery/records/read.ts";
import { query, summary } from "../../archive/support.ts";
import { Random } from "../../fuzz/random.ts";
import { MemoryJournal, writeAll } from "./journal.ts";

const random = new Random(11);
const body = random.bytes(1_000);

/** The response's records: chunks of 100 bytes, and the close. */
function messages(bytes = body, size = 100): BodyMessage[] {
  const parts = query({ session: "s-1" });
  const { exchange } = parts.requested;
  const chunks = Math.ceil(bytes.length / size);
  const completed = { ...parts.completed, response: { ...summary(bytes), chunks, headers: [] } };
  const journal = new MemoryJournal().body(exchange, "response", bytes, size).events(completed);
  return writeAll(journal)
    .filter(({ topic, headers }) => topic === "bodies" && headers.ce_direction === "response")
    .map((record) => readRecord(record) as BodyMessage);
}

function bytesOf(parts: readonly BodyPart[]): Buffer {
  return Buffer.concat(parts.map((part) => (part.kind === "bytes" ? part.bytes : Buffer.alloc(0))));
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const left = [...items];
  return items.map(() => left.splice(random.integer(left.length), 1)[0] as Item);
}

test("bytes are handed on as they come, and the end says that they are sound", () => {
  const assembler = new BodyAssembler();
  const all = messages();
  const first = assembler.add(all[0] as BodyMessage);
  assert.deepEqual(bytesOf(first), body.subarray(0, 100));
  const parts = [...first, ...all.slice(1).flatMap((message) => assembler.add(message))];
  assert.deepEqual(bytesOf(parts), body);
  const { kind, verdict } = parts.at(-1) as BodyPart & { kind: "end" };
  assert.deepEqual([kind, verdict], ["end", { state: "sound" }]);
});

test("records in any order, and more than once, give the same bytes in order, once", () => {
  for (let round = 0; round < 50; round++) {
    const all = messages();
    const assembler = new BodyAssembler();
    const parts = shuffled([...all, ...all, ...all]).flatMap((message) => assembler.add(message));
    assert.deepEqual(bytesOf(parts), body);
    assert.equal(parts.filter(({ kind }) => kind === "end").length, 1);
    assert.equal(assembler.heldBytes, 0);
    assert.deepEqual([...assembler.open()], []);
  }
});

test("an empty body is whole with its close alone", () => {
  const [part, ...more] = messages(Buffer.alloc(0)).flatMap((message) => new BodyAssembler().add(message));
  assert.partialDeepStrictEqual(part, { kind: "end", verdict: { state: "sound" } });
  assert.deepEqual(more, []);
});

test("what is missing is told exactly: which chunks, which bytes, and whether the close", () => {
  const all = messages();
  const assembler = new BodyAssembler();
  for (const at of [0, 3, 4, 7]) assembler.add(all[at] as BodyMessage);
  assert.deepEqual([...assembler.open()][0]?.missing, {
    sequences: [
      { from: 1, to: 3 },
      { from: 5, to: 7 },
    ],
    bytes: [
      { from: 100, to: 300 },
      { from: 500, to: 700 },
    ],
    close: true,
  });
  assembler.add(all.at(-1) as BodyMessage);
  assert.partialDeepStrictEqual([...assembler.open()][0]?.missing, {
    sequences: [{}, {}, { from: 8, to: 10 }],
    bytes: [{}, {}, { from: 800, to: 1_000 }],
    close: false,
  });
});

test("a changed byte is found by the digest", () => {
  const all = messages();
  const [first] = all;
  assert.ok(first !== undefined);
  const changed = Buffer.from(first.bytes);
  changed[50] = (changed[50] ?? 0) ^ 1;
  const assembler = new BodyAssembler();
  const parts = [{ ...first, bytes: changed }, ...all.slice(1)].flatMap((message) => assembler.add(message));
  const { verdict } = parts.at(-1) as BodyPart & { kind: "end" };
  assert.match(verdict.state === "damaged" ? verdict.reason : "", /SHA-256/);
});

test("chunks that do not join are damage, told at once", () => {
  const [, second] = messages();
  assert.ok(second !== undefined);
  const assembler = new BodyAssembler();
  const [part] = assembler.add({ ...second, sequence: 0 });
  assert.partialDeepStrictEqual(part, {
    kind: "end",
    verdict: { state: "damaged", reason: "chunk 0 begins at byte 100, where byte 0 is due" },
  });
});

test("a body whose gateway ended before its digest was known is whole, but unverified", () => {
  const all = messages();
  const last = all.at(-1);
  assert.ok(last?.close !== undefined);
  const { sha256: _, ...close } = last.close;
  const assembler = new BodyAssembler();
  const cut = { ...last, close: { ...close, outcome: "aborted" as const } };
  const parts = [...all.slice(0, -1), cut].flatMap((message) => assembler.add(message));
  assert.partialDeepStrictEqual(parts.at(-1), { kind: "end", verdict: { state: "unverified" } });
});

test("a body that was withheld is told as such, not as missing", () => {
  const [chunk] = messages();
  assert.ok(chunk !== undefined);
  const close = {
    chunks: 0,
    length: 900,
    sha256: "ab".repeat(32),
    outcome: "complete",
    withheld: true,
  } as const;
  const [part] = new BodyAssembler().add({ ...chunk, offset: 900, bytes: Buffer.alloc(0), close });
  assert.partialDeepStrictEqual(part, { kind: "end", verdict: { state: "withheld" } });
});

test("beyond the bound on held bytes the oldest body that waits is given up, and says what it lacked", () => {
  const assembler = new BodyAssembler({ maxHeldBytes: 4_000 });
  const [one, two] = [messages(), messages()];
  const parts: BodyPart[] = [];
  for (const at of [1, 2, 3, 4]) {
    for (const all of [one, two]) parts.push(...assembler.add(all[at] as BodyMessage));
  }
  assert.equal(assembler.heldBytes <= 4_000, true);
  const [given] = parts;
  assert.partialDeepStrictEqual(given, {
    kind: "given-up",
    exchange: one[0]?.exchange,
    missing: { sequences: [{ from: 0, to: 1 }], close: true },
  });
  assert.deepEqual(
    one.flatMap((message) => assembler.add(message)),
    [],
    "nothing more comes of it",
  );
});

test("beyond the bound on bodies under way the oldest is given up", () => {
  const assembler = new BodyAssembler({ maxOpen: 2 });
  const bodies = [messages(), messages(), messages()];
  const parts = bodies.flatMap(([first]) => assembler.add(first as BodyMessage));
  assert.deepEqual(
    parts.filter(({ kind }) => kind === "given-up").map(({ exchange }) => exchange),
    [bodies[0]?.[0]?.exchange],
  );
});

test("what waits does not keep the consumer's buffer alive", () => {
  const [, second] = messages();
  assert.ok(second !== undefined);
  const large = Buffer.alloc(1024 * 1024);
  second.bytes.copy(large, 10);
  const assembler = new BodyAssembler();
  assembler.add({ ...second, bytes: large.subarray(10, 110) });
  large.fill(0);
  const parts = assembler.add({ ...second, sequence: 0, offset: 0 });
  assert.deepEqual(bytesOf(parts).subarray(100), second.bytes);
});
