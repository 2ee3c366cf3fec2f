import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../src/delivery/backoff.ts";

test("each wait is twice as long as the one before, up to ten seconds", () => {
  const backoff = new Backoff(() => 0);
  const waits = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
});

test("chance makes a wait shorter, by half at most", () => {
  assert.equal(new Backoff(() => 1).next(), 50);
});

test("when it went well, the next wait is short again", () => {
  const backoff = new Backoff(() => 0);
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 100);
});
