import assert from "node:assert/strict";
import { test } from "node:test";
import { Wait } from "../../src/gateway/patience.ts";

/** Resolves when a wait that is longer than those before has expired. */
function later(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    new Wait(milliseconds, resolve);
  });
}

test("a wait that takes too long is told once", async () => {
  let told = 0;
  new Wait(10, () => {
    told += 1;
  });
  await later(20);
  await later(20);
  assert.equal(told, 1);
});

test("a wait that has ended is told nothing", async () => {
  const ended = new Wait(10, () => assert.fail("it had ended"));
  ended.end();
  ended.end();
  await later(20);
});

test("waits may end each other while they expire", async () => {
  const told: string[] = [];
  const waits: Wait[] = [];
  for (const name of ["a", "b", "c", "d"]) {
    const wait = new Wait(10, () => {
      told.push(name);
      for (const other of waits) if (other !== wait) other.end();
    });
    waits.push(wait);
  }
  await later(20);
  assert.equal(told.length, 1);
});

test("a wait that is begun while others expire has its own time", async () => {
  let second = 0;
  const first = await new Promise<number>((resolve) => {
    new Wait(10, () => {
      const from = performance.now();
      new Wait(30, () => {
        second = performance.now() - from;
        resolve(from);
      });
    });
  });
  assert.ok(first > 0);
  assert.ok(second >= 30);
});
