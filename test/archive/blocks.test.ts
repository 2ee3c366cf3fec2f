import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { seal, unseal } from "../../src/archive/blocks/seal.ts";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { archiveFile } from "../../src/config/paths.ts";
import type { JournalRecord } from "../../src/recording/frame.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, look, query, sessionStarted } from "./support.ts";

const limit = { timeout: 60_000 };
const session = "s-1";

function archived() {
  const dataDir = temporaryDirectory();
  const parts = query({ session, sql: "SELECT 'planted'", response: { planted: "x".repeat(5_000) } });
  ingestAll(
    dataDir,
    new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(session)).exchange(parts),
  );
  return { dataDir, parts, id: parts.requested.exchange };
}

function change(dataDir: string, sql: string): void {
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec(sql);
  database.close();
}

test("what was sealed opens with its key at its place, and not otherwise", limit, () => {
  const [key, other] = [randomBytes(32), randomBytes(32)];
  const plain = Buffer.from("recorded");
  const sealed = seal(key, "here", plain);
  assert.deepEqual(unseal(key, "here", sealed), plain);
  assert.equal(unseal(other, "here", sealed), undefined);
  assert.equal(unseal(key, "there", sealed), undefined);
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(unseal(key, "here", changed), undefined, `byte ${at}`);
    assert.equal(unseal(key, "here", sealed.subarray(0, at)), undefined, `cut at ${at}`);
  }
});

test("a session's records are the journal's own, in their order", limit, () => {
  const { dataDir, parts } = archived();
  const { requested, completed, request, response } = parts;
  const records = look(dataDir, (search) => [...search.records(session)].map(toPlain));
  assert.deepEqual(records, [sessionStarted(session), requested, request.length, response.length, completed]);
  const own = look(dataDir, (search) => [...search.records("none")].map(toPlain));
  assert.deepEqual(own, [gatewayStarted()]);
});

function toPlain(record: JournalRecord) {
  return record.kind === "event" ? record.event : record.chunk.bytes.length;
}

test("bodies do not lie in the archive's file as they are", limit, () => {
  const { dataDir } = archived();
  assert.equal(readFileSync(archiveFile(dataDir)).includes("xxxxxxxx"), false);
});

test("the archive's key is beside it, for its owner only", limit, () => {
  const { dataDir } = archived();
  const file = join(dataDir, "archive.key");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(readFileSync(file, "utf8"), /^[A-Za-z0-9+/]{43}=\n$/);
});

for (const [what, spoil, message] of [
  ["is gone", (file: string) => rmSync(file), /archive\.key is missing.*put it back/],
  [
    "is another's",
    (file: string) => writeFileSync(file, `${Buffer.alloc(32).toString("base64")}\n`),
    /another key/,
  ],
  ["is none", (file: string) => writeFileSync(file, "secret"), /is no archive key/],
] as const) {
  test(`without its key no archive is read: one that ${what} is told in words`, limit, () => {
    const { dataDir } = archived();
    spoil(join(dataDir, "archive.key"));
    assert.throws(() => new ArchiveSearch(dataDir, false), { code: "wrong-key", message });
  });
}

test("a session whose key is destroyed has no records left, and the rows of what it did", limit, () => {
  const { dataDir, id } = archived();
  change(dataDir, `DELETE FROM scope_keys WHERE scope = '${session}'`);
  look(dataDir, (search) => {
    assert.deepEqual([...search.records(session)], []);
    assert.deepEqual([...search.body(id, "response")], []);
    assert.partialDeepStrictEqual(search.exchange(id), { outcome: "complete", requestHeaders: [] });
  });
});

for (const [what, sql] of [
  ["changed", "UPDATE blocks SET sealed = zeroblob(length(sealed)) WHERE scope = 's-1'"],
  ["cut", "UPDATE blocks SET sealed = substr(sealed, 1, 40) WHERE scope = 's-1'"],
  ["moved", "UPDATE blocks SET id = id + 100, scope = 's-1' WHERE scope = 's-1'"],
  ["said to be longer", "UPDATE blocks SET content = content + 1 WHERE scope = 's-1'"],
] as const) {
  test(`a block that was ${what} is not taken for a recording`, limit, () => {
    const { dataDir } = archived();
    change(dataDir, sql);
    look(dataDir, (search) => {
      assert.throws(() => [...search.records(session)], {
        code: "failed",
        message: /block \d+ of s-1 in the archive cannot be read/,
      });
    });
  });
}

test("a long session's blocks are several, and its exchanges are whole wherever they lie", limit, () => {
  const dataDir = temporaryDirectory();
  const made = Array.from({ length: 40 }, (_, at) =>
    query({ session, time: 2_000 + at, response: randomBytes(100_000) }),
  );
  const journal = new HandWrittenJournal(dataDir);
  for (const parts of made) journal.exchange(parts);
  ingestAll(dataDir, journal);
  look(dataDir, (search) => {
    for (const { requested, response } of made)
      assert.deepEqual(Buffer.concat([...search.body(requested.exchange, "response")]), response);
  });
  const database = new DatabaseSync(archiveFile(dataDir));
  assert.ok(Number(database.prepare("SELECT count(*) AS n FROM blocks").get()?.n) >= 4);
  database.close();
});
