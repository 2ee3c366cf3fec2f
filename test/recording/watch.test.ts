import assert from "node:assert/strict";
import { test } from "node:test";
import { GrowthWatch } from "../../src/recording/watch.ts";

const limit = { timeout: 5_000 };

function position() {
  const shared = new SharedArrayBuffer(8);
  const value = new BigInt64Array(shared);
  return {
    shared,
    moveTo(to: bigint): void {
      Atomics.store(value, 0, to);
      Atomics.notify(value, 0);
    },
  };
}

test("whoever waits is told when any of the positions changes", limit, async () => {
  const positions = [position(), position()];
  const watch = new GrowthWatch(positions.map(({ shared }) => shared));
  for (const [round, { moveTo }] of [...positions, ...positions].entries()) {
    const grown = watch.grown(watch.look());
    moveTo(BigInt(round + 1));
    assert.equal(await grown, true);
  }
});

test("a change that came before the wait is told at once", limit, async () => {
  const { shared, moveTo } = position();
  const watch = new GrowthWatch([shared]);
  const seen = watch.look();
  moveTo(1n);
  assert.equal(await watch.grown(seen), true);
});

test("a wake ends the wait, and those to come", limit, async () => {
  const watch = new GrowthWatch([position().shared]);
  const grown = watch.grown(watch.look());
  watch.wake();
  assert.equal(await grown, false);
  assert.equal(await watch.grown(watch.look()), false);
  await watch.pause(60_000);
});

test("growth does not end a pause", limit, async () => {
  const { shared, moveTo } = position();
  const watch = new GrowthWatch([shared]);
  const grown = watch.grown(watch.look());
  moveTo(1n);
  await grown;
  let paused = true;
  const pause = watch.pause(60_000).then(() => {
    paused = false;
  });
  moveTo(2n);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(paused, true);
  watch.wake();
  await pause;
});
