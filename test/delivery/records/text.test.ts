import assert from "node:assert/strict";
import { test } from "node:test";
import { cutText, oneLine } from "../../../src/delivery/records/text.ts";

test("text is cut by the bytes that its JSON takes, whatever they are of", () => {
  for (const piece of ["a", "é", "漢", "😀", "\u0000", "\n", '"', "\\", "\ud800"]) {
    for (const bound of [0, 1, 5, 6, 7, 64]) {
      const { text, cut } = cutText(piece.repeat(100), bound);
      const bytes = Buffer.byteLength(JSON.stringify(text)) - 2;
      assert.equal(bytes <= bound, true, `${JSON.stringify(piece)} within ${bound}`);
      assert.equal(bytes + 6 > bound, true, `${JSON.stringify(piece)} nearly ${bound}`);
      assert.equal(cut, true);
    }
  }
});

test("text is cut between code points, never inside of one", () => {
  assert.deepEqual(cutText("ab😀cd", 5), { text: "ab", cut: true });
  assert.deepEqual(cutText("ab😀cd", 6), { text: "ab😀", cut: true });
});

test("text that fits stays as it is, but for what is no Unicode", () => {
  assert.deepEqual(cutText("SELECT 1", 8), { text: "SELECT 1", cut: false });
  assert.deepEqual(cutText("a\ud800b", 64), { text: "a\ufffdb", cut: false });
});

test("a line for people has no control characters, and shows where it was cut", () => {
  assert.equal(oneLine("a\r\nb\u2028c\u0000d", 64), "a b c d");
  assert.equal(oneLine("abcdefghij", 8), "abcde…");
});
