import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { fuzz } from "./run.ts";

test("30 seconds of malformed bytes crash nothing, leak nothing, and get nothing upstream unrecorded", {
  timeout: 240_000,
  skip: process.platform === "linux" ? false : "it looks into /proc",
}, async (t) => {
  const seed = randomInt(2 ** 32);
  assert.deepEqual(await fuzz({ milliseconds: 30_000, seed, report: (line) => t.diagnostic(line) }), []);
});
