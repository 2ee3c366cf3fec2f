import assert from "node:assert/strict";
import { test } from "node:test";
import { Pauses } from "../../src/metrics/pauses.ts";

test("a wait is counted while it lasts, and its time from its beginning on", async () => {
  const pauses = new Pauses();
  const wait = Promise.withResolvers<string>();
  const during = pauses.during("agent", wait.promise);
  assert.equal(pauses.waiting("agent"), 1);
  const first = pauses.waited("agent");
  while (pauses.waited("agent") <= first);
  assert.equal(pauses.waiting("upstream"), 0);
  assert.equal(pauses.waited("upstream"), 0);
  wait.resolve("done");
  assert.equal(await during, "done");
  assert.equal(pauses.waiting("agent"), 0);
});

test("the time of a wait that is over grows no more", async () => {
  const pauses = new Pauses();
  await pauses.during("journal", new Promise((resolve) => setImmediate(resolve)));
  const waited = pauses.waited("journal");
  assert.ok(waited > 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(pauses.waited("journal"), waited);
});

test("a wait that fails is over, too", async () => {
  const pauses = new Pauses();
  await assert.rejects(pauses.during("kafka", Promise.reject(new Error("broken"))), /broken/);
  assert.equal(pauses.waiting("kafka"), 0);
});
