import assert from "node:assert/strict";
import { test } from "node:test";
import { memoize } from "../../src/recording/memoize.ts";

test("what was found once is looked up, not computed", () => {
  let computed = 0;
  const length = memoize((key) => {
    computed += 1;
    return key.length;
  });
  assert.deepEqual([length("abc"), length("abc"), length("")], [3, 3, 0]);
  assert.equal(computed, 2);
});

test("a false result is remembered, too", () => {
  let computed = 0;
  const never = memoize(() => {
    computed += 1;
    return false;
  });
  assert.deepEqual([never("a"), never("a")], [false, false]);
  assert.equal(computed, 1);
});

test("any number of keys is answered rightly, and is forgotten in time", () => {
  let computed = 0;
  const same = memoize((key) => {
    computed += 1;
    return key;
  });
  for (let round = 0; round < 2; round += 1) {
    for (let index = 0; index < 3_000; index += 1) assert.equal(same(String(index)), String(index));
  }
  // Had all been kept, the second round would have computed nothing.
  assert.equal(computed, 6_000);
});
