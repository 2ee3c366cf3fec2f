import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { DamagedBlock } from "../../../src/archive/blocks/reader.ts";
import { ArchiveError, withDamageInWords } from "../../../src/archive/errors.ts";
import { repair } from "../../../src/archive/repair/repair.ts";
import { hold } from "../../../src/archive/retention/holds.ts";
import { ArchiveSearch } from "../../../src/archive/search.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
  type ExchangeParts,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  refusal,
  sessionStarted,
} from "../support.ts";

const limit = { timeout: 120_000 };
const SESSIONS = 8;
const NOW = Date.UTC(2026, 0, 2);

/** An archive of some sessions over several batches, and the journal that it was made of. */
function archived() {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted());
  const parts: ExchangeParts[] = [];
  for (let index = 0; index < SESSIONS; index++) {
    const session = `s-${index}`;
    journal.events(sessionStarted(session, "alice", 1_000 + index));
    for (let each = 0; each < 5; each++) {
      const response = { rows: [{ f: [{ v: randomBytes(9_000).toString("base64") }] }] };
      const one = query({
        session,
        sql: `SELECT ${session}, ${each}`,
        response,
        time: 2_000 + index * 10 + each,
      });
      journal.exchange(one);
      parts.push(one);
    }
    ingestAll(dataDir, journal);
  }
  ingestAll(dataDir, journal.events(refusal()));
  return { dataDir, journal, parts, key: keyOf(dataDir) };
}

function keyOf(dataDir: string): Buffer {
  return Buffer.from(readFileSync(join(dataDir, "archive.key"), "latin1"), "base64");
}

/** The same archive elsewhere, damaged, without the journal. */
function damagedCopy(dataDir: string, damage: (bytes: Buffer) => Buffer): string {
  const copy = temporaryDirectory();
  copyFileSync(join(dataDir, "archive.key"), join(copy, "archive.key"));
  writeFileSync(archiveFile(copy), damage(readFileSync(archiveFile(dataDir))), { mode: 0o600 });
  return copy;
}

/** Reads all that there is; what cannot be read is told, in words. */
function readAll(dataDir: string): { bodies: Map<string, Buffer>; damaged: DamagedBlock[] } {
  const damaged: DamagedBlock[] = [];
  const bodies = new Map<string, Buffer>();
  const search = new ArchiveSearch(dataDir, false, undefined, (block) => damaged.push(block));
  try {
    for (const { id } of search.sessions({ limit: 100 })) {
      for (const exchange of search.exchanges(id)) {
        bodies.set(exchange.id, Buffer.concat([...search.body(exchange.id, "response")]));
      }
    }
    search.statements({ text: "SELECT", limit: 100 });
    return { bodies, damaged };
  } finally {
    search.close();
  }
}

/** Whether it is an error that tells what is wrong and what to do. */
function isInWords(dataDir: string, cause: unknown): boolean {
  const error = withDamageInWords(archiveFile(dataDir), cause);
  return (
    error instanceof ArchiveError && /repair|put its own back|move it away|cannot be/.test(error.message)
  );
}

test(
  "an archive damaged anywhere is read as far as it goes, or told to be damaged; and what is whole is saved",
  limit,
  () => {
    const { dataDir, parts, key } = archived();
    const size = readFileSync(archiveFile(dataDir)).length;
    const whole = new Map(
      parts.map(({ requested, response }) => [requested.exchange, Buffer.from(response)]),
    );
    let saved = 0;
    let cases = 0;
    const damages = Array.from({ length: 40 }, (_, index) =>
      Math.floor((size * (index + 0.37)) / 40),
    ).flatMap((at) => [
      (bytes: Buffer) => bytes.fill(0xff, at, at + 700),
      (bytes: Buffer) => bytes.fill(bytes[at] === 0 ? 1 : 0, at, at + 1),
    ]);
    for (const cut of [1, 99, 100, 5_000, 8_192, size / 4, size / 2, size - 8_192, size - 1]) {
      damages.push((bytes) => bytes.subarray(0, Math.floor(cut)));
    }
    for (const damage of damages) {
      const copy = damagedCopy(dataDir, damage);
      try {
        for (const [id, body] of readAll(copy).bodies)
          if (body.length === whole.get(id)?.length) assert.deepEqual(body, whole.get(id));
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        assert.ok(isInWords(copy, error), String(error));
      }
      const done = repair(copy, key, NOW);
      if (done.kept !== undefined) {
        const { bodies, damaged } = readAll(copy);
        assert.deepEqual(damaged, []);
        for (const [id, body] of bodies) if (body.length > 0) assert.deepEqual(body, whole.get(id));
        saved += bodies.size / whole.size;
        cases += 1;
      }
    }
    assert.ok(cases > 20, `${cases} of ${damages.length} were found to be damaged`);
    assert.ok(saved / cases > 0.5, `${((100 * saved) / cases).toFixed()} % were saved`);
  },
);

test("what the archive lost and the journal still has is there again", limit, () => {
  const { dataDir, parts, key } = archived();
  truncateSync(archiveFile(dataDir), 20_000);
  const done = repair(dataDir, key, NOW);
  assert.equal(done.kept, `${archiveFile(dataDir)}.damaged-20260102T000000Z`);
  assert.ok(done.problems.length > 0);
  const { bodies } = readAll(dataDir);
  for (const { requested, response } of parts)
    assert.deepEqual(bodies.get(requested.exchange), Buffer.from(response));
  look(dataDir, (search) => {
    assert.equal(search.sessions().length, SESSIONS);
    assert.equal(search.withoutSession()?.exchanges, 1);
    assert.deepEqual(search.gaps(), []);
  });
});

test("nothing is in a repaired archive twice, and what only rows tell is copied", limit, () => {
  const { dataDir, key } = archived();
  const store = new ArchiveStore(archiveFile(dataDir));
  store.maintain((keeping) => hold(keeping, { session: "s-1", by: "dave", because: "case 7", time: 5 }));
  store.close();
  const view = () =>
    look(dataDir, (search) => ({
      sessions: search.sessions(),
      records: [...search.records("s-1"), ...search.records("none")],
      refused: search.withoutSession(),
    }));
  const before = view();
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec("UPDATE blocks SET sealed = zeroblob(9) WHERE scope = 's-5'");
  database.close();
  const done = repair(dataDir, key, NOW);
  assert.deepEqual(
    done.lost.map(({ scope }) => scope),
    ["s-5"],
  );
  assert.deepEqual(view(), before);
});

test("a repaired archive goes on where the journal does", limit, () => {
  const { dataDir, journal, key } = archived();
  truncateSync(archiveFile(dataDir), 60_000);
  repair(dataDir, key, NOW);
  const later = query({ session: "s-1", time: 90_000 });
  ingestAll(dataDir, journal.exchange(later));
  assert.deepEqual(readAll(dataDir).bodies.get(later.requested.exchange), Buffer.from(later.response));
  assert.equal(
    look(dataDir, (search) => search.session("s-1")?.exchanges),
    6,
  );
});

test("a whole archive is left as it is", limit, () => {
  const { dataDir, key } = archived();
  const before = readFileSync(archiveFile(dataDir));
  const done = repair(dataDir, key, NOW);
  assert.deepEqual([done.kept, done.problems, done.lost], [undefined, [], []]);
  assert.deepEqual(readFileSync(archiveFile(dataDir)), before);
  assert.deepEqual(
    readdirSync(dataDir).filter((name) => /repair|damaged/.test(name)),
    [],
  );
});

test("a block that cannot be read does not hinder what is recorded behind it", limit, () => {
  const { dataDir, journal } = archived();
  const { requested, response, completed } = query({ session: "s-2", time: 50_000 });
  ingestAll(dataDir, journal.events(requested));
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec("UPDATE blocks SET sealed = zeroblob(9) WHERE scope = 's-2'");
  database.close();
  journal.chunk({
    exchange: requested.exchange,
    direction: "response",
    sequence: 0,
    offset: 0,
    bytes: response,
  });
  ingestAll(dataDir, journal.events(completed));
  look(dataDir, (search) => assert.deepEqual(search.gaps(), []));
  const damaged: DamagedBlock[] = [];
  const search = new ArchiveSearch(dataDir, false, undefined, (block) => damaged.push(block));
  assert.equal(search.exchange(requested.exchange)?.outcome, "complete");
  assert.ok(damaged.length > 0);
  search.close();
});
