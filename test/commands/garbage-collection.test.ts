import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { GARBAGE_COLLECTION } from "../../src/commands/garbage-collection.ts";

test("this version of Node knows every option that a relay sets for the garbage collector", () => {
  const known = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  const names = GARBAGE_COLLECTION.map((option) => option.replace(/^--(?:no-)?/, "").replace(/=.*/, ""));
  const unknown = names.filter((name) => !known.includes(`\n  --${name} (`));
  assert.deepEqual(unknown, []);
});
