import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, type PaceOptions, paced } from "../../src/archive/pace.ts";
import { styleFor } from "../../src/archive/print/style.ts";
import type { Moment } from "../../src/archive/replay.ts";

test("at speed 1 each moment comes when it did", async () => {
  assert.deepEqual(await shown([0, 500, 1_500]), ["0: at 0", "500: at 500", "1500: at 1500"]);
});

test("at speed 10 it comes in a tenth of the time", async () => {
  assert.deepEqual(await shown([0, 500, 1_500], { speed: 10 }), ["0: at 0", "50: at 500", "150: at 1500"]);
});

test("a pause is shown for 3 s at most, and what it was is told", async () => {
  assert.deepEqual(await shown([0, 3_600_000, 3_600_500], { longestPause: 3_000 }), [
    "0: at 0",
    "0: … 1 h 0 m later",
    "3000: at 3600000",
    "3500: at 3600500",
  ]);
});

test("how long a pause is shown counts, not how long it was", async () => {
  const options = { speed: 10, longestPause: 3_000 };
  assert.deepEqual(await shown([0, 30_000], options), ["0: at 0", "3000: at 30000"]);
});

test("what lies behind what was told already comes at once", async () => {
  assert.deepEqual(await shown([0, 900, 300, 1_000]), [
    "0: at 0",
    "900: at 900",
    "900: at 300",
    "1000: at 1000",
  ]);
});

test("time that a slow terminal takes is no pause", async () => {
  assert.deepEqual(await shown([0, 500, 1_000], {}, 300), ["0: at 0", "500: at 500", "1000: at 1000"]);
});

test("the first moment is not waited for", async () => {
  assert.deepEqual(await shown([1_700_000_000_000]), ["0: at 1700000000000"]);
});

test("a pause of weeks is one pause, though a timer cannot be that long", { timeout: 20_000 }, async () => {
  const gone = new AbortController();
  const style = styleFor({});
  const options = { speed: 1, longestPause: Number.POSITIVE_INFINITY, style, signal: gone.signal };
  const parts = paced([moment(0), moment(40 * 24 * 3_600_000)], options);
  await parts.next();
  const next = parts.next();
  setTimeout(() => gone.abort(), 50);
  assert.deepEqual(await next, { done: true, value: undefined });
});

async function shown(times: readonly number[], options: Partial<PaceOptions> = {}, slowness = 0) {
  let now = 0;
  const clock: Clock = {
    now: () => now,
    wait: async (milliseconds) => {
      now += milliseconds;
    },
  };
  const pace = { speed: 1, longestPause: Number.POSITIVE_INFINITY, style: styleFor({}), clock, ...options };
  const seen: string[] = [];
  for await (const part of paced(times.map(moment), pace)) {
    seen.push(`${now}: ${part.trim()}`);
    now += slowness;
  }
  return seen;
}

function moment(at: number): Moment {
  return { at, lines: [`at ${at}`], begins: true };
}
