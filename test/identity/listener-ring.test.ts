import assert from "node:assert/strict";
import { test } from "node:test";
import { ListenerRing } from "../../src/identity/listener-ring.ts";

function ringOf(names: readonly string[]) {
  const ring = new ListenerRing<string>();
  const heard: string[] = [];
  const stops = names.map((name) => ring.add((news) => heard.push(`${name}: ${news}`)));
  return { ring, heard, stops };
}

test("those that listen are told, in the order in which they came", () => {
  const { ring, heard } = ringOf(["a", "b", "c"]);
  ring.tell("over");
  assert.deepEqual(heard, ["a: over", "b: over", "c: over"]);
});

test("whoever stopped listening is not told, wherever in the ring it was, and may stop twice", () => {
  for (const gone of [0, 1, 2]) {
    const { ring, heard, stops } = ringOf(["a", "b", "c"]);
    stops[gone]?.();
    stops[gone]?.();
    ring.add((news) => heard.push(`d: ${news}`));
    ring.tell("over");
    assert.equal(heard.join(), ["a: over", "b: over", "c: over", "d: over"].toSpliced(gone, 1).join());
  }
});

test("those told are those that listened when it began, whoever comes or goes meanwhile", () => {
  const ring = new ListenerRing<string>();
  const heard: string[] = [];
  ring.add(() => {
    for (const stop of stops) stop();
    ring.add(() => heard.push("late"));
  });
  const stops = ["b", "c"].map((name) => ring.add(() => heard.push(name)));
  ring.tell("over");
  assert.deepEqual(heard, ["b", "c"]);
  ring.tell("again");
  assert.deepEqual(heard, ["b", "c", "late"]);
});

test("nobody is told when all have gone", () => {
  const { ring, heard, stops } = ringOf(["a", "b"]);
  for (const stop of stops) stop();
  ring.tell("over");
  assert.deepEqual(heard, []);
});
