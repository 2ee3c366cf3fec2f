import assert from "node:assert/strict";
import { test } from "node:test";
import { LagClock } from "../../src/metrics/lag-clock.ts";

test("a reader at the end has no lag, however long nothing was written", () => {
  const clock = new LagClock();
  clock.look(100, 100, 0);
  assert.equal(clock.lag(100, 60_000), 0);
});

test("the lag is the age of what the reader has not passed, not of what it has", () => {
  const clock = new LagClock();
  clock.look(100, 0, 1_000);
  clock.look(200, 0, 2_000);
  clock.look(300, 0, 3_000);
  assert.equal(clock.lag(0, 5_000), 4_000);
  assert.equal(clock.lag(150, 5_000), 3_000);
  clock.look(300, 250, 6_000);
  assert.equal(clock.lag(250, 6_000), 3_000);
  assert.equal(clock.lag(300, 6_000), 0);
});

test("what was there before the clock is as old as is known of it, and what came since as it was seen", () => {
  const known = [
    { position: 100, at: -60_000 },
    { position: 200, at: -30_000 },
  ];
  const clock = new LagClock(known);
  clock.look(300, 50, 0);
  assert.equal(clock.lag(50, 1_000), 61_000);
  assert.equal(clock.lag(100, 1_000), 31_000);
  assert.equal(clock.lag(200, 1_000), 1_000);
});

test("a reader that stands still for days is told of to a thousandth, and costs no more memory for it", () => {
  const clock = new LagClock();
  const seconds = 3 * 86_400;
  for (let second = 0; second < seconds; second += 1) clock.look(1 + second, 0, second * 1_000);
  const lag = clock.lag(0, seconds * 1_000);
  assert.equal(lag, seconds * 1_000);
  const half = clock.lag(seconds / 2, seconds * 1_000);
  assert.ok(Math.abs(half / (seconds * 500) - 1) < 0.001, String(half));
});
