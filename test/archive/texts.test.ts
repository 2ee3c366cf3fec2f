import assert from "node:assert/strict";
import { hash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openForWriting } from "../../src/archive/schema.ts";
import { Texts } from "../../src/archive/texts.ts";
import { archiveFile } from "../../src/config/paths.ts";
import { temporaryDirectory } from "../support/temporary.ts";

test("a text that is asked again and again is kept once, however many others come between", () => {
  using database = empty();
  const texts = new Texts(database);
  const daily = texts.idOf("SELECT daily");
  for (let other = 0; other < 50_000; other += 1) {
    texts.idOf(`SELECT ${other}`);
    if (other % 1_000 === 0) assert.equal(texts.idOf("SELECT daily"), daily);
  }
  assert.equal(texts.idOf("SELECT daily"), daily);
});

test("a text that was kept by an earlier run is found again", () => {
  using database = empty();
  const before = new Texts(database).idOf("SELECT 1");
  new Texts(database).idOf("SELECT 2");
  assert.equal(new Texts(database).idOf("SELECT 1"), before);
});

test("no text passes for another, neither a long one's digest nor its beginning", () => {
  using database = empty();
  const texts = new Texts(database);
  const long = `SELECT ${"x".repeat(10_000)}`;
  const id = texts.idOf(long);
  assert.equal(texts.idOf(long), id);
  for (const other of [
    hash("sha256", long, "base64"),
    hash("sha256", long, "hex"),
    long.slice(0, 512),
    `${long}y`,
  ])
    assert.notEqual(texts.idOf(other), id);
});

function empty(): DatabaseSync & Disposable {
  const database = openForWriting(archiveFile(temporaryDirectory()));
  database.exec("BEGIN");
  return database as DatabaseSync & Disposable;
}
