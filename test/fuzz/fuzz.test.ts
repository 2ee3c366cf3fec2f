import assert from "node:assert/strict";
import { test } from "node:test";
import { limitProcess } from "../support/time-limit.ts";
import { fuzz } from "./run.ts";

/** Milliseconds for the whole: besides the 30 s it warms up, lets the gateway settle, and looks for what broke it. */
const LIMIT = 300_000;

/** Always the same: what new seeds find is no fault of the change that happens to be tested. `npm run fuzz` takes new ones. */
const SEED = 20_261_122;

limitProcess(LIMIT + 10_000);

test("30 seconds of malformed bytes crash nothing, leak nothing, and get nothing upstream unrecorded", {
  timeout: LIMIT,
  skip: process.platform === "linux" ? false : "it looks into /proc",
}, async (t) => {
  assert.deepEqual(
    await fuzz({ milliseconds: 30_000, seed: SEED, report: (line) => t.diagnostic(line) }),
    [],
  );
});
