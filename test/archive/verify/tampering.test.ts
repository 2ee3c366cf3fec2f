import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem, ProblemKind } from "../../../src/archive/verify/problem.ts";
import { type TapeVerdict, verifyTape } from "../../../src/archive/verify/verify-tape.ts";
import type { RecordedEvent } from "../../../src/recording/events.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import { newKey, Recording, sealedSession, tapeFile } from "./recordings.ts";

/*
 * Somebody alters a recording: in the store, before it is exported (so that the tape itself is signed rightly), or in the
 * tape. Each is found, and named as what it is, at its place.
 */

const key = newKey();
const original = sealedSession("s", key).records;
const events = original.flatMap((record, index) =>
  record.kind === "event"
    ? [{ index, event: record.event, sequence: record.event.chain?.sequence ?? -1 }]
    : [],
);
const chunks = original.flatMap((record, index) =>
  record.kind === "body" ? [{ index, chunk: record.chunk }] : [],
);

/** What is found in a store with these records. */
function found(records: readonly JournalRecord[]): readonly Problem[] {
  return verdictOf(records).problems;
}

function verdictOf(records: readonly JournalRecord[]): TapeVerdict {
  const recording = new Recording();
  recording.records.push(...records);
  return verifyTape(tapeFile(recording.tape("s", key)), [key.jwk]);
}

function replaced(index: number, record: JournalRecord): JournalRecord[] {
  return original.with(index, record);
}

function kinds(problems: readonly Problem[]): ProblemKind[] {
  return [...new Set(problems.map(({ kind }) => kind))];
}

/** All versions of a value in which one leaf is another, or is gone, with the path to it. */
function* mutations(value: unknown, path: string): Generator<readonly [path: string, value: unknown]> {
  if (Array.isArray(value)) {
    for (const [index, each] of value.entries()) {
      for (const [at, changed] of mutations(each, `${path}[${index}]`))
        yield [at, value.with(index, changed)];
    }
    if (value.length > 0) yield [`${path} shorter`, value.slice(1)];
  } else if (typeof value === "object" && value !== null) {
    for (const [name, each] of Object.entries(value)) {
      for (const [at, changed] of mutations(each, `${path}.${name}`))
        yield [at, { ...value, [name]: changed }];
      const { [name]: _, ...without } = value as Record<string, unknown>;
      yield [`${path}.${name} gone`, without];
    }
    yield [`${path} with more`, { ...value, more: 1 }];
  } else if (typeof value === "string") {
    yield [path, `${value.slice(0, -1)}${value.endsWith("a") ? "b" : "a"}`];
  } else if (typeof value === "number") yield [path, value + 1];
  else if (typeof value === "boolean") yield [path, !value];
}

test("a change of any member of any event is found, at that event", () => {
  let tried = 0;
  for (const { index, event, sequence } of events) {
    for (const [path, changed] of mutations(event, event.type)) {
      tried += 1;
      const { problems, notes } = verdictOf(
        replaced(index, { kind: "event", event: changed as RecordedEvent }),
      );
      const named = `event ${sequence}, ${path}: ${JSON.stringify(problems)}`;
      if (event === events.at(-1)?.event && path === "checkpoint.type") {
        // What signs the end is no signature any more.
        assert.deepEqual(
          notes.map(({ kind }) => kind),
          ["not-sealed"],
        );
        continue;
      }
      assert.notEqual(problems.length, 0, named);
      const malformed = problems.some(({ kind }) => kind === "malformed");
      // Without its place, or its type, it is none of the chain's.
      const displaced = /\.chain|\.type/.test(path);
      for (const { kind, sequence: at } of problems) {
        if (malformed || displaced) continue;
        assert.equal(at, sequence, named);
        assert.ok(["changed", "bad-signature", "foreign-key"].includes(kind), named);
      }
    }
  }
  assert.ok(tried > 250, String(tried));
});

test("a changed place in the chain is named as a change of that event", () => {
  for (const { index, event, sequence } of events.slice(0, -1)) {
    const { chain } = event;
    assert.ok(chain !== undefined);
    const other = "018bcfe5-6800-7000-8000-0000000000ff";
    for (const wrong of [
      { ...chain, sequence: chain.sequence + 5 },
      { ...chain, previous: "ab".repeat(32) },
      { ...chain, id: other },
    ]) {
      const problems = found(replaced(index, { kind: "event", event: { ...event, chain: wrong } }));
      const named = `${sequence} ${JSON.stringify(wrong)} ${JSON.stringify(problems)}`;
      const wrongKinds = kinds(problems).filter((kind) => kind !== "changed" && kind !== "bad-signature");
      assert.deepEqual(wrongKinds, [], named);
      assert.ok(problems.length > 0, named);
      const line = index + 2;
      for (const problem of problems) assert.equal(problem.line, line, named);
    }
  }
});

test("a removed event is named by its number", () => {
  for (const { index, sequence } of events.slice(0, -1)) {
    const problems = found(original.toSpliced(index, 1));
    const removed = problems.find(({ kind }) => kind === "removed");
    assert.equal(removed?.sequence, sequence, JSON.stringify(problems));
    // Bodies of an exchange whose end is gone have no digest any more.
    assert.deepEqual(
      kinds(problems).filter((kind) => kind !== "removed" && kind !== "added"),
      [],
      JSON.stringify(problems),
    );
  }
});

test("an event that is there twice, or was put in, is named as added", () => {
  for (const { index, event, sequence } of events) {
    for (const later of [index + 1, original.length]) {
      const problems = found(original.toSpliced(later, 0, { kind: "event", event }));
      assert.deepEqual(kinds(problems), ["added"], `${sequence} at ${later}: ${JSON.stringify(problems)}`);
    }
    const forged = { ...event, time: 77 };
    const before = found(original.toSpliced(index, 0, { kind: "event", event: forged }));
    assert.ok(kinds(before).includes("added"), `${sequence}: ${JSON.stringify(before)}`);
    assert.ok(!kinds(before).includes("changed"), `${sequence}: ${JSON.stringify(before)}`);
    const { chain: _, ...unplaced } = forged;
    const problems = found(original.toSpliced(index, 0, { kind: "event", event: unplaced as RecordedEvent }));
    assert.ok(problems.some(({ kind, line }) => kind === "added" && line === index + 2));
  }
});

test("events that changed places are named as reordered", () => {
  for (const [at, { index, sequence }] of events.slice(0, -2).entries()) {
    const next = events[at + 1];
    const [one, other] = [original[index], original[next?.index ?? -1]];
    assert.ok(next !== undefined && one !== undefined && other !== undefined);
    const problems = found(original.with(index, other).with(next.index, one));
    const reordered = problems.filter(({ kind }) => kind === "reordered");
    assert.deepEqual(
      reordered.map((problem) => problem.sequence),
      [sequence],
      JSON.stringify(problems),
    );
    assert.ok(!kinds(problems).includes("changed"), JSON.stringify(problems));
  }
});

test("a chunk that was changed, removed, added or moved is named with its exchange", () => {
  for (const { index, chunk } of chunks) {
    const { exchange, bytes, sequence, direction } = chunk;
    const name = (problems: readonly Problem[], kind: ProblemKind) => {
      const named = `${direction} ${sequence}: ${JSON.stringify(problems)}`;
      assert.ok(
        problems.some((problem) => problem.kind === kind && problem.exchange === exchange),
        named,
      );
    };
    const flipped = Buffer.from(bytes);
    flipped[0] = (flipped[0] ?? 0) ^ 1;
    name(found(replaced(index, { kind: "body", chunk: { ...chunk, bytes: flipped } })), "body-changed");
    name(found(original.toSpliced(index, 1)), "body-missing");
    name(found(original.toSpliced(index, 0, { kind: "body", chunk })), "added");
    name(found([...original, { kind: "body", chunk }]), "body-too-long");
    const elsewhere = { ...chunk, exchange: "018bcfe5-6800-7000-8000-0000000000ff" };
    name(found(replaced(index, { kind: "body", chunk: elsewhere })), "body-missing");
    const next = original[index + 1];
    if (next?.kind !== "body" || next.chunk.direction !== direction) {
      const more = { ...chunk, sequence: sequence + 1, offset: chunk.offset + bytes.length };
      name(found(original.toSpliced(index + 1, 0, { kind: "body", chunk: more })), "body-too-long");
    } else name(found(original.with(index, next).with(index + 1, { kind: "body", chunk })), "reordered");
  }
});

test("what was recorded and signed by somebody else is named as such", () => {
  const stranger = newKey();
  const problems = found(sealedSession("s", stranger).records);
  assert.deepEqual(kinds(problems), ["foreign-key"]);
  const [first] = problems;
  assert.equal(first?.sequence, 3);
  const mixed = found([...original, ...sealedSession("s", stranger).records]);
  assert.deepEqual(kinds(mixed), ["foreign-key"]);
});

test("records of another session are named as added", () => {
  const problems = found([...original, ...sealedSession("other", key).records]);
  assert.ok(problems.every(({ kind, session }) => kind === "added" && session === "other"));
  assert.notEqual(problems.length, 0);
});
