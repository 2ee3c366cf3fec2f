import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sealedForm } from "../../src/recording/sealed-form.ts";
import { gatewayStarted, query } from "../archive/support.ts";

const { requested, completed } = query({ session: "s", sql: "SELECT 'ä'" });

test("an event in sealed form has its SQL's size and digest in the SQL's place", () => {
  const { sql, ...operation } = requested.operation;
  const sqlSha256 = createHash("sha256").update("SELECT 'ä'").digest("hex");
  assert.equal(sql, "SELECT 'ä'");
  assert.deepEqual(sealedForm(requested), {
    ...requested,
    operation: { ...operation, sqlBytes: 11, sqlSha256 },
  });
});

test("of a statement that was cut, size and digest are those of the whole of it", () => {
  const whole = { sqlTruncated: true, sqlBytes: 99_999, sqlSha256: "ab" } as const;
  const cut = { ...requested, operation: { ...requested.operation, ...whole } };
  assert.partialDeepStrictEqual(sealedForm(cut).operation, whole);
});

test("the sealed form of a sealed form, and of an event without SQL, is itself", () => {
  const sealed = sealedForm(requested);
  assert.equal(sealedForm(sealed), sealed);
  assert.equal(sealedForm(completed), completed);
  const started = gatewayStarted();
  assert.equal(sealedForm(started), started);
});
