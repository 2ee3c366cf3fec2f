import assert from "node:assert/strict";
import { test } from "node:test";
import { toRefusal } from "../../src/gateway/refusal.ts";
import { JournalError } from "../../src/recording/errors.ts";

test("an error that nobody foresaw is told as the gateway's own, without its words", () => {
  const cause = new TypeError("secret is not a function");
  const refusal = toRefusal(cause);
  assert.deepEqual([refusal.status, refusal.code], [500, "internal"]);
  assert.ok(!refusal.message.includes("secret"));
  assert.equal(refusal.cause, cause);
});

test("a failure of the network is told by its innermost code, as BigQuery's being out of reach", () => {
  const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
  const refusal = toRefusal(new Error("fetch failed", { cause: refused }));
  assert.deepEqual([refusal.status, refusal.code], [503, "upstream.ECONNREFUSED"]);
});

test("what is too long to be recorded is not tried again", () => {
  const { status, reason, code } = toRefusal(
    new JournalError("too-long", "a record has at most so many bytes"),
  );
  assert.deepEqual([status, reason, code], [413, "invalid", "recording.too-long"]);
});
