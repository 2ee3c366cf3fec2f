import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import {
  type Archive,
  type ArchiveOptions,
  readCheckpoints,
  startArchive,
} from "../../src/archive/archive.ts";
import { catchUp } from "../../src/archive/catch-up.ts";
import type { ArchiveError } from "../../src/archive/errors.ts";
import { forget } from "../../src/archive/retention/forget.ts";
import { ArchiveStore } from "../../src/archive/store.ts";
import { archiveFile } from "../../src/config/paths.ts";
import { tryLock } from "../../src/recording/lock.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { planted, tracesOf } from "./retention/traces.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, look, query, sessionStarted } from "./support.ts";
import { newKey } from "./verify/recordings.ts";

const limit = { timeout: 60_000 };

test("what is written while the archive runs can be searched once it has caught up", limit, async () => {
  const { dataDir, journal, archive, publish } = await started();
  const session = uuidv7();
  journal.events(gatewayStarted(), sessionStarted(session)).exchange(query({ session }));
  publish();
  await archive.caughtUp("0", journal.end);
  assert.equal(archive.checkpoint("0"), journal.end);
  assert.equal(
    look(dataDir, (search) => search.session(session)?.exchanges),
    1,
  );
  await archive.close();
});

test("several journals are tailed side by side", limit, async () => {
  const dataDir = temporaryDirectory();
  const journals = ["0", "1", "2"].map((name) => new HandWrittenJournal(dataDir, name));
  const live = journals.map((journal) => liveJournal(journal));
  const archive = await startArchive({
    dataDir,
    journals: live.map(({ live }) => live),
    onError: unexpected,
  });
  for (const [index, journal] of journals.entries()) {
    journal.events(gatewayStarted(journal.name));
    live[index]?.publish();
    await archive.caughtUp(journal.name, journal.end);
  }
  await archive.close();
  assert.deepEqual(readCheckpoints(dataDir), new Map(journals.map((journal) => [journal.name, journal.end])));
});

test("closing takes in what the journal still holds, and makes all of it durable", limit, async () => {
  const { dataDir, journal, archive, publish } = await started();
  const session = uuidv7();
  for (let index = 0; index < 2_000; index++) journal.exchange(query({ session }));
  publish();
  await archive.close();
  assert.equal(archive.trimmable("0"), journal.end);
  assert.equal(
    look(dataDir, (search) => search.session(session)?.exchanges),
    2_000,
  );
});

test("what is forgotten beside a running archive is gone, and the archive goes on", limit, async () => {
  const { dataDir, journal, archive, publish } = await started();
  const { parts, markers } = planted("s");
  journal.events(gatewayStarted(), sessionStarted("s"));
  for (const each of parts) journal.exchange(each);
  publish();
  await archive.caughtUp("0", journal.end);
  const store = new ArchiveStore(archiveFile(dataDir));
  const order = { session: "s", by: "carol", because: "x", time: Date.now(), signer: newKey() };
  await forget(store, {
    ...order,
    live: true,
    journals: [journal],
    delivered: () => undefined,
    force: false,
  });
  store.close();
  assert.deepEqual(tracesOf(dataDir, markers), []);
  const later = query({ session: "s", sql: parts[0]?.requested.operation.sql ?? "" });
  journal.exchange(later);
  publish();
  await archive.caughtUp("0", journal.end);
  look(dataDir, (search) => {
    assert.equal(search.exchange(later.requested.exchange)?.sql, later.requested.operation.sql);
    assert.deepEqual(Buffer.concat([...search.body(later.requested.exchange, "response")]), later.response);
  });
  await archive.close();
});

test("a running archive retires what its rules say, also from the journal, and tells it", limit, async () => {
  const told = Promise.withResolvers<string>();
  const dataDir = temporaryDirectory();
  const { parts, markers } = planted("old");
  const journal = new HandWrittenJournal(dataDir).events(sessionStarted("old"));
  for (const each of parts) journal.exchange(each);
  const young = query({ session: "young", time: Date.now() });
  journal.exchange(young);
  ingestAll(dataDir, journal);
  const { live, publish } = liveJournal(journal);
  publish();
  const archive = await startArchive({
    ...{ dataDir, journals: [live], onError: unexpected },
    retention: { events: 86_400_000, bodies: 86_400_000, rules: [] },
    onUpkeep: (_, message) => told.resolve(message),
  });
  assert.match(await told.promise, /retired 1 session/);
  await archive.close();
  assert.deepEqual(tracesOf(dataDir, markers), []);
  look(dataDir, (search) => {
    assert.deepEqual(
      search.sessions().map(({ id }) => id),
      ["young"],
    );
    assert.deepEqual(Buffer.concat([...search.body(young.requested.exchange, "response")]), young.response);
  });
  const reader = new JournalReader(journal.directory, 0);
  const bodies = reader
    .read(1024 * 1024)
    .records.flatMap(({ record }) => (record.kind === "body" ? [record.chunk] : []));
  reader.close();
  assert.deepEqual(
    bodies.find(
      ({ exchange, direction }) => exchange === young.requested.exchange && direction === "response",
    )?.bytes,
    young.response,
  );
});

test("an archive that is nearly as large as it may be warns before it retires anything", limit, async () => {
  const told: string[] = [];
  const { archive } = await started({ maxBytes: 150_000, onUpkeep: (level) => told.push(level) });
  await archive.close();
  const fill = /at (\d+) % of archive\.maxBytes/.exec(archive.warning() ?? "")?.[1];
  assert.ok(Number(fill) >= 80, String(archive.warning()));
  assert.deepEqual(told, ["warn"]);
  const { archive: roomy } = await started({ maxBytes: 1024 * 1024 * 1024 });
  await roomy.close();
  assert.equal(roomy.warning(), undefined);
});

test("nothing may be trimmed that is applied but not yet durable", limit, async () => {
  const { journal, archive, publish } = await started();
  journal.events(gatewayStarted());
  publish();
  await archive.caughtUp("0", journal.end);
  assert.equal(archive.trimmable("0"), 0);
  await archive.close();
});

test("a large part that was applied is made safe while the archive runs", limit, async () => {
  const safe = Promise.withResolvers<void>();
  const { journal, archive, publish } = await started({
    onProgress({ durable }) {
      if (durable > 0) safe.resolve();
    },
  });
  const chunk = { exchange: uuidv7(), direction: "response", bytes: Buffer.alloc(1024 * 1024) } as const;
  journal.events(gatewayStarted());
  for (let sequence = 0; sequence < 17; sequence += 1)
    journal.chunk({ ...chunk, sequence, offset: sequence * chunk.bytes.length });
  publish();
  await safe.promise;
  assert.ok(archive.trimmable("0") <= archive.checkpoint("0"));
  await archive.close();
  assert.equal(archive.trimmable("0"), journal.end);
});

test("an archive that fails says so, and goes on by itself when it can again", limit, async () => {
  const failed = Promise.withResolvers<ArchiveError>();
  const { dataDir, journal, archive, publish } = await started({ onError: failed.resolve });
  const blocker = new DatabaseSync(archiveFile(dataDir));
  // A constraint of another program's making fails every insert of a run, until it is gone.
  blocker.exec("CREATE TRIGGER stop BEFORE INSERT ON checkpoints BEGIN SELECT raise(ABORT, 'no space'); END");
  journal.events(gatewayStarted());
  publish();
  assert.match((await failed.promise).message, /fell behind: no space/);
  blocker.exec("DROP TRIGGER stop");
  blocker.close();
  await archive.caughtUp("0", journal.end);
  await archive.close();
});

test("a journal that cannot be read on is reported", limit, async () => {
  const failed = Promise.withResolvers<ArchiveError>();
  const { journal, archive, publish } = await started({ onError: failed.resolve });
  journal.bytes(Buffer.alloc(64, 1));
  publish();
  assert.match((await failed.promise).message, /journal cannot be read: .* at position 0/);
  await archive.close();
});

test("an archive that cannot be opened does not start", limit, async () => {
  const dataDir = temporaryDirectory();
  new ArchiveStore(archiveFile(dataDir)).close();
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec("PRAGMA user_version = 99");
  database.close();
  await assert.rejects(started({ dataDir }), { code: "newer-schema" });
});

test("who waits for a position that is never reached is told when the archive closes", limit, async () => {
  const { archive } = await started();
  const waiting = assert.rejects(archive.caughtUp("0", 1_000_000), { name: "ArchiveError" });
  await archive.close();
  await waiting;
});

test("without a gateway, a command brings the archive to the journal's end", limit, async () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  const { requested } = query({ session });
  new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(session), requested);
  assert.deepEqual(await catchUp(dataDir), { live: false, behind: 0 });
  const found = look(dataDir, (search) => search.session(session), false);
  assert.partialDeepStrictEqual(found, { exchanges: 1, incomplete: 1 });
});

test("a torn frame at the journal's end, as a killed gateway leaves it, is no obstacle", limit, async () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  new HandWrittenJournal(dataDir).exchange(query({ session })).bytes(Buffer.alloc(40, 3));
  assert.deepEqual(await catchUp(dataDir), { live: false, behind: 0 });
  assert.equal(
    look(dataDir, (search) => search.session(session)?.exchanges),
    1,
  );
});

test(
  "with a gateway, a command waits for its archive and says how far behind that stays",
  limit,
  async () => {
    const dataDir = temporaryDirectory();
    const journal = new HandWrittenJournal(dataDir).events(gatewayStarted());
    const lock = tryLock(dataDir);
    assert.deepEqual(await catchUp(dataDir, { timeout: 100 }), { live: true, behind: journal.end });
    ingestAll(dataDir, journal);
    assert.deepEqual(await catchUp(dataDir, { timeout: 100 }), { live: true, behind: 0 });
    lock?.release();
  },
);

test("a directory that is not there is named, and not made", limit, async () => {
  const dataDir = `${temporaryDirectory()}/mistyped`;
  await assert.rejects(catchUp(dataDir), { code: "no-data-directory", message: /mistyped/ });
  assert.equal(existsSync(dataDir), false);
});

test("an archive that cannot be made is said in words", limit, async () => {
  const dataDir = temporaryDirectory();
  new HandWrittenJournal(dataDir).events(gatewayStarted());
  // A directory in the file's place: an obstacle that stops even root.
  mkdirSync(archiveFile(dataDir));
  await assert.rejects(catchUp(dataDir), { name: "ArchiveError", code: "failed" });
});

interface Started {
  readonly dataDir: string;
  readonly journal: HandWrittenJournal;
  readonly archive: Archive;
  /** Tells the archive where the journal ends now. */
  readonly publish: () => void;
}

async function started(options: Partial<ArchiveOptions> = {}): Promise<Started> {
  const dataDir = options.dataDir ?? temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir);
  const { live, publish } = liveJournal(journal);
  const archive = await startArchive({ dataDir, journals: [live], onError: unexpected, ...options });
  return { dataDir, journal, archive, publish };
}

function liveJournal(journal: HandWrittenJournal) {
  const end = new SharedArrayBuffer(8);
  const position = new BigInt64Array(end);
  const publish = () => {
    Atomics.store(position, 0, BigInt(journal.end));
    Atomics.notify(position, 0);
  };
  return { live: { name: journal.name, directory: journal.directory, end }, publish };
}

function unexpected(error: Error): never {
  throw error;
}
