import assert from "node:assert/strict";
import { test } from "node:test";
import { toRefusal } from "../../src/gateway/refusal.ts";

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
