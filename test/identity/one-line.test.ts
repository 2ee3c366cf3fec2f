import assert from "node:assert/strict";
import { test } from "node:test";
import { isOneLine } from "../../src/identity/one-line.ts";

test("text of one line has no control character and no line separator, whatever else it has", () => {
  const refused = Array.from({ length: 0x3000 }, (_, code) => code).filter(
    (code) => !isOneLine(`a${String.fromCharCode(code)}b`),
  );
  const upTo = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, at) => first + at);
  assert.deepEqual(refused, [...upTo(0x00, 0x1f), ...upTo(0x7f, 0x9f), 0x2028, 0x2029]);
  assert.ok(isOneLine("Žofie 😀"));
});
