import assert from "node:assert/strict";
import { test } from "node:test";
import { JournalReaders } from "../../src/commands/journal-readers.ts";

test("a journal is unlinked behind the slowest of its readers", () => {
  const readers = new JournalReaders(["archive", "delivery"]);
  readers.passed("0", "archive", 500);
  assert.equal(readers.passed("0", "delivery", 200), 200);
  assert.equal(readers.passed("0", "delivery", 900), 500);
});

test("nothing is unlinked that a reader has not spoken of", () => {
  assert.equal(new JournalReaders(["archive", "delivery"]).passed("0", "archive", 500), 0);
});

test("a reader that is switched off is not waited for", () => {
  assert.equal(new JournalReaders(["delivery"]).passed("0", "delivery", 500), 500);
});

test("each journal has positions of its own", () => {
  const readers = new JournalReaders(["delivery"]);
  readers.passed("0", "delivery", 500);
  assert.equal(readers.passed("1", "delivery", 100), 100);
});

test("a reader that begins again takes nothing back", () => {
  const readers = new JournalReaders(["delivery"]);
  readers.passed("0", "delivery", 500);
  assert.equal(readers.passed("0", "delivery", 0), 500);
});
