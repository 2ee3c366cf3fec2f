import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Ingest } from "../../src/archive/ingest.ts";
import { ArchiveStore } from "../../src/archive/store.ts";
import { archiveFile } from "../../src/config/paths.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import {
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  refusal,
  sessionStarted,
} from "./support.ts";

const limit = { timeout: 60_000 };
const MEBIBYTE = 1024 * 1024;

test("an exchange in the journal is in the archive with its job, rows, sizes and digests", limit, () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  const parts = query({ session, sql: "SELECT id, name FROM shop.customers" });
  ingestAll(dataDir, new HandWrittenJournal(dataDir).events(sessionStarted(session)).exchange(parts));
  const found = look(dataDir, (search) => search.exchange(parts.requested.exchange));
  assert.partialDeepStrictEqual(found, {
    session,
    user: "alice",
    operation: "jobs.query",
    sql: "SELECT id, name FROM shop.customers",
    outcome: "complete",
    status: 200,
    job: "job_1",
    location: "EU",
    rows: 2,
    totalRows: 2,
    bytesProcessed: 12_345,
    request: parts.completed.request,
    phases: { commit: 2, upstreamFirstByte: 20, total: 25 },
  });
});

test("the same records applied again change nothing", limit, () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  const journal = new HandWrittenJournal(dataDir)
    .events(gatewayStarted(), sessionStarted(session))
    .exchange(query({ session }))
    .events(query({ session }).requested, refusal());
  const store = new ArchiveStore(archiveFile(dataDir));
  const before = applyAndDump(store, journal, dataDir);
  const again = applyAndDump(store, journal, dataDir);
  store.close();
  assert.deepEqual(again, before);
});

test("an end applied after its exchange's beginning was written completes the exchange", limit, () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  const { requested, completed, response } = query({ session });
  const journal = new HandWrittenJournal(dataDir).events(requested);
  ingestAll(dataDir, journal);
  assert.equal(
    look(dataDir, (search) => search.exchange(requested.exchange)?.outcome),
    "running",
  );
  journal.chunk({
    exchange: requested.exchange,
    direction: "response",
    sequence: 0,
    offset: 0,
    bytes: response,
  });
  ingestAll(dataDir, journal.events(completed));
  const found = look(dataDir, (search) => search.exchange(requested.exchange));
  assert.deepEqual([found?.outcome, found?.job, found?.rows], ["complete", "job_1", 2]);
});

test("what an earlier run of the same journal left without an end is incomplete", limit, () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  const [left, running, elsewhere] = [query({ session }), query({ session }), query({ session })];
  const other = new HandWrittenJournal(dataDir, "1").events(gatewayStarted("b"), elsewhere.requested);
  const journal = new HandWrittenJournal(dataDir)
    .events(gatewayStarted("first"), left.requested)
    .events(gatewayStarted("second"), running.requested);
  ingestAll(dataDir, other, journal);
  const outcomes = look(dataDir, (search) =>
    [left, running, elsewhere].map(({ requested }) => search.exchange(requested.exchange)?.outcome),
  );
  assert.deepEqual(outcomes, ["incomplete", "running", "running"]);
});

test("a refusal before any session is kept with who asked for what", limit, () => {
  const dataDir = temporaryDirectory();
  const denied = refusal();
  ingestAll(dataDir, new HandWrittenJournal(dataDir).events(denied));
  const found = look(dataDir, (search) => search.exchange(denied.exchange));
  assert.partialDeepStrictEqual(found, {
    outcome: "denied",
    effect: "deny",
    method: "CONNECT",
    target: "evil.example:443",
    source: { address: "127.0.0.1", port: 51_234 },
    error: { code: "host-refused", message: "evil.example is not a host of BigQuery" },
  });
});

test("an end whose request was lost is kept, not dropped", limit, () => {
  const dataDir = temporaryDirectory();
  const { completed } = query({ session: uuidv7() });
  ingestAll(dataDir, new HandWrittenJournal(dataDir).events(completed));
  const found = look(dataDir, (search) => search.exchange(completed.exchange));
  assert.partialDeepStrictEqual(found, {
    outcome: "complete",
    status: 200,
    response: completed.response.bytes > 0 ? { bytes: completed.response.bytes } : {},
  });
});

test("a record that no table takes is a gap, and those behind it are applied", limit, () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  const parts = query({ session });
  const journal = new HandWrittenJournal(dataDir).events({
    ...gatewayStarted(),
    gateway: { odd: true },
  } as never);
  const end = journal.end;
  ingestAll(dataDir, journal.exchange(parts));
  look(dataDir, (search) => {
    assert.deepEqual(search.gaps(), [{ journal: "0", from: 0, to: end, reason: "unreadable" }]);
    assert.equal(search.exchange(parts.requested.exchange)?.outcome, "complete");
  });
});

test("rows of a body too large to keep in memory are counted from the archive", limit, () => {
  const dataDir = temporaryDirectory();
  const rows = Array.from({ length: 20_000 }, (_, index) => ({ f: [{ v: `customer number ${index}` }] }));
  const parts = query({ session: uuidv7(), response: { totalRows: "20000", rows } });
  assert.ok(parts.response.length > 512 * 1024);
  ingestAll(dataDir, new HandWrittenJournal(dataDir).exchange(parts));
  assert.equal(
    look(dataDir, (search) => search.exchange(parts.requested.exchange)?.rows),
    20_000,
  );
});

test(
  "however often the process is killed while it applies, each record is in the archive once",
  limit,
  async () => {
    const dataDir = temporaryDirectory();
    const session = uuidv7();
    const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(session));
    const frames = new HandWrittenJournal(temporaryDirectory());
    const exchanges = 3_000;
    for (let index = 0; index < exchanges; index++) frames.exchange(query({ session, time: 2_000 + index }));
    for (const { record } of everyRecord(frames)) {
      if (record.kind === "body") journal.chunk(record.chunk);
      else journal.events(record.event);
    }
    for (let kill = 0; kill < 5; kill++) await applyUntilKilled(dataDir, journal, 1 + kill * 3);
    const store = new ArchiveStore(archiveFile(dataDir));
    const checkpoint = store.checkpoint("0");
    store.close();
    assert.ok(checkpoint > 0 && checkpoint < journal.end, "the kills fell into the work");
    ingestAll(dataDir, journal);
    look(dataDir, (search) => {
      assert.partialDeepStrictEqual(search.session(session), { exchanges, incomplete: 0 });
      for (const exchange of search.exchanges(session)) {
        assert.equal(exchange.outcome, "complete");
        const bytes = Buffer.concat([...search.body(exchange.id, "response")]).length;
        assert.equal(bytes, exchange.response?.bytes);
      }
    });
  },
);

test("the archive and the files beside it are readable by their owner only", limit, () => {
  const dataDir = temporaryDirectory();
  const store = new ArchiveStore(archiveFile(dataDir));
  store.sync();
  const modes = readdirSync(dataDir).map((name) => [name, statSync(join(dataDir, name)).mode & 0o777]);
  store.close();
  assert.ok(modes.length > 1);
  assert.deepEqual(
    modes.filter(([, mode]) => mode !== 0o600),
    [],
  );
});

test("an archive of a newer format is refused, saying what to do", limit, () => {
  const dataDir = temporaryDirectory();
  new ArchiveStore(archiveFile(dataDir)).close();
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec("PRAGMA user_version = 99");
  database.close();
  assert.throws(() => new ArchiveStore(archiveFile(dataDir)), {
    name: "ArchiveError",
    code: "newer-schema",
    message: /format 99.*upgrade bqtape/,
  });
});

test("an archive of a format before the first release is refused, saying what to do", limit, () => {
  const dataDir = temporaryDirectory();
  new ArchiveStore(archiveFile(dataDir)).close();
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec("PRAGMA user_version = 3");
  database.close();
  assert.throws(() => new ArchiveStore(archiveFile(dataDir)), {
    code: "older-schema",
    message: /format 3.*move it away/,
  });
});

test("a file that is no archive is refused and left as it is", limit, () => {
  const dataDir = temporaryDirectory();
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(archiveFile(dataDir), "something else altogether".repeat(100));
  assert.throws(() => new ArchiveStore(archiveFile(dataDir)), { code: "not-an-archive" });
  assert.equal(statSync(archiveFile(dataDir)).size, 2_500);
});

/** Applies the journal from its beginning, whatever the checkpoint, and shows all that the archive then holds. */
function applyAndDump(store: ArchiveStore, journal: HandWrittenJournal, dataDir: string): unknown {
  const reader = new JournalReader(journal.directory, 0);
  store.apply("0", reader.read(MEBIBYTE));
  reader.close();
  const database = new DatabaseSync(archiveFile(dataDir), { readOnly: true });
  try {
    return [
      "runs",
      "sessions",
      "refused_identities",
      "exchanges",
      "blocks",
      "texts",
      "gaps",
      "checkpoints",
    ].map((table) => database.prepare(`SELECT * FROM ${table}`).all());
  } finally {
    database.close();
  }
}

function everyRecord(journal: HandWrittenJournal) {
  const reader = new JournalReader(journal.directory, 0);
  const records = [];
  for (let batch = reader.read(MEBIBYTE); batch.records.length > 0; batch = reader.read(MEBIBYTE)) {
    records.push(...batch.records);
  }
  reader.close();
  return records;
}

/** Runs a process that applies the journal in small steps, and kills it in the middle of one. */
async function applyUntilKilled(dataDir: string, journal: HandWrittenJournal, steps: number): Promise<void> {
  const program = `
    import { ArchiveStore } from ${JSON.stringify(import.meta.resolve("../../src/archive/store.ts"))};
    import { JournalReader } from ${JSON.stringify(import.meta.resolve("../../src/recording/reader.ts"))};
    const store = new ArchiveStore(${JSON.stringify(archiveFile(dataDir))});
    const reader = new JournalReader(${JSON.stringify(journal.directory)}, store.checkpoint("0"));
    for (;;) {
      const batch = reader.read(20_000);
      if (batch.records.length === 0) break;
      store.apply("0", batch);
      process.stdout.write("step\\n");
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let seen = 0;
  child.stdout.on("data", (data: Buffer) => {
    seen += data.toString().split("\n").length - 1;
    if (seen >= steps) child.kill("SIGKILL");
  });
  await once(child, "close");
}

test("an ingest goes on where the archive stopped", limit, () => {
  const dataDir = temporaryDirectory();
  const session = uuidv7();
  const journal = new HandWrittenJournal(dataDir)
    .events(sessionStarted(session))
    .exchange(query({ session }));
  ingestAll(dataDir, journal);
  const store = new ArchiveStore(archiveFile(dataDir));
  const ingest = new Ingest(store, [journal]);
  assert.equal(ingest.position("0"), journal.end);
  assert.equal(ingest.step("0"), false);
  ingest.close();
  store.close();
});
