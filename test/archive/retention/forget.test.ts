import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { type ForgetOptions, forget } from "../../../src/archive/retention/forget.ts";
import { hold } from "../../../src/archive/retention/holds.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { gatewayName } from "../../../src/delivery/checkpoint.ts";
import { deliveredOf } from "../../../src/delivery/delivered.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import { JournalReader } from "../../../src/recording/reader.ts";
import { sealedForm } from "../../../src/recording/sealed-form.ts";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, look, query, sessionStarted } from "../support.ts";
import { newKey } from "../verify/recordings.ts";
import { marker, piecesFound, planted, sealedPieces, tracesOf } from "./traces.ts";

const limit = { timeout: 120_000 };
const SESSION = uuidv7();
const OTHER = uuidv7();
const TIME = 10 * 86_400_000;

/** An archive in which two sessions did the like at the same time, over many batches. */
function archived(others = 300) {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(
    gatewayStarted(),
    sessionStarted(SESSION),
    sessionStarted(OTHER, "bob"),
  );
  const { parts, markers } = planted(SESSION);
  const kept = planted(OTHER);
  for (let index = 0; index < others; index++) {
    if (index % 100 === 0) ingestAll(dataDir, journal);
    const word = randomBytes(12).toString("hex");
    const response = { rows: [{ f: [{ v: randomBytes(3_000).toString("base64") }] }] };
    journal.exchange(query({ session: index % 2 === 0 ? SESSION : OTHER, sql: `SELECT q${word}`, response }));
    if (index === Math.floor(others / 2)) {
      for (const each of [...parts, ...kept.parts]) journal.exchange(each);
    }
  }
  ingestAll(dataDir, journal);
  return { dataDir, journal, parts, markers, kept };
}

type Archived = ReturnType<typeof archived>;

async function forgetIn(
  { dataDir, journal }: Pick<Archived, "dataDir" | "journal">,
  options: Partial<ForgetOptions> = {},
) {
  const store = new ArchiveStore(archiveFile(dataDir));
  try {
    return await forget(store, {
      ...{ session: SESSION, by: "carol", because: "she asked for it", time: TIME },
      ...{ live: false, journals: [journal], delivered: () => undefined, force: false, signer: newKey() },
      ...options,
    });
  } finally {
    store.close();
  }
}

test("of a forgotten session no byte of what it quoted is left under the data directory", limit, async () => {
  const held = archived();
  const { dataDir, markers, parts } = held;
  assert.deepEqual(new Set(tracesOf(dataDir, markers).map((trace) => trace.split(" in ")[0])).size, 5);
  const sealed = sealedPieces(dataDir, [SESSION, ...parts.map(({ requested }) => requested.exchange)]);
  // A few lie across the ends of pages.
  assert.ok(piecesFound(dataDir, sealed) > 0.9 * sealed.length);
  await forgetIn(held);
  assert.deepEqual(tracesOf(dataDir, markers), []);
  assert.equal(piecesFound(dataDir, sealed), 0);
});

test("a forgotten session's events stay in sealed form, in their order", limit, async () => {
  const held = archived(20);
  const before = look(held.dataDir, (search) => [...search.records(SESSION)]);
  await forgetIn(held);
  const after = look(held.dataDir, (search) => [...search.records(SESSION)]);
  const expected = before.flatMap((record) =>
    record.kind === "event" ? [{ kind: "event", event: sealedForm(record.event) }] : [],
  );
  assert.deepEqual(after, expected);
  const asked = held.parts[0]?.requested.operation.sql ?? "";
  assert.ok(after.some((record) => JSON.stringify(record).includes(`"sqlBytes":${asked.length}`)));
});

test("other sessions stay whole, whatever they share with one that is forgotten", limit, async () => {
  const held = archived(20);
  const shared = query({ session: OTHER, sql: held.parts[0]?.requested.operation.sql ?? "" });
  ingestAll(held.dataDir, held.journal.exchange(shared));
  const view = () =>
    look(held.dataDir, (search) => ({
      exchanges: [...search.exchanges(OTHER)],
      records: [...search.records(OTHER)],
      found: search
        .statements({ text: "customers" })
        .map(({ id }) => id)
        .filter((id) => id !== held.parts[0]?.requested.exchange),
    }));
  const before = view();
  assert.equal(before.found.length, 2);
  await forgetIn(held);
  assert.deepEqual(view(), before);
});

test("a forgotten session tells who had it forgotten and why, and a notice is left", limit, async () => {
  const held = archived(2);
  const done = await forgetIn(held);
  look(held.dataDir, (search) => {
    const session = search.session(SESSION);
    assert.deepEqual(session?.forgotten, { at: TIME, by: "carol", because: "she asked for it" });
    assert.deepEqual([session?.exchanges, session?.bytes], [done.exchanges, done.bytes]);
    assert.equal(search.exchange(held.parts[0]?.requested.exchange ?? "")?.sql, undefined);
    assert.deepEqual(
      search.statements({ text: "customers" }).map(({ session: of }) => of),
      [OTHER],
    );
  });
  const database = new DatabaseSync(archiveFile(held.dataDir), { readOnly: true });
  const notices = database.prepare("SELECT content, signature FROM notices").all();
  database.close();
  assert.deepEqual(
    notices.map(({ content }) => JSON.parse(String(content))),
    [
      {
        ...{ type: "forgotten", time: TIME, session: SESSION, by: "carol", because: "she asked for it" },
        ...{ exchanges: done.exchanges, bytes: done.bytes },
      },
    ],
  );
});

test("a session under legal hold is not forgotten, and stays as it is", limit, async () => {
  const held = archived(2);
  const store = new ArchiveStore(archiveFile(held.dataDir));
  store.maintain((keeping) => hold(keeping, { session: SESSION, by: "dave", because: "case 7", time: 5 }));
  store.close();
  await assert.rejects(forgetIn(held), { code: "held", message: /legal hold since 1970.*case 7.*--release/ });
  assert.equal(
    look(held.dataDir, (search) => search.session(SESSION)?.forgotten),
    undefined,
  );
});

test(
  "a running session is forgotten only when that is asked for, and then goes on being recorded",
  limit,
  async () => {
    const held = archived(2);
    const time = 2_000;
    await assert.rejects(forgetIn(held, { live: true, time }), { code: "running", message: /--force/ });
    // A gateway's archive, which knows the session and its key.
    const live = new ArchiveStore(archiveFile(held.dataDir));
    const reader = new JournalReader(held.journal.directory, live.checkpoint("0"));
    live.apply("0", reader.read(1024));
    const { remarks } = await forgetIn(held, { live: true, time, force: true });
    assert.match(remarks.join(), /from now on is recorded again, under a new key/);
    const later = query({ session: SESSION, sql: "SELECT later", time: 9_000 });
    held.journal.exchange(later);
    live.apply("0", reader.read(1024 * 1024));
    reader.close();
    live.close();
    look(held.dataDir, (search) => {
      assert.equal(search.exchange(later.requested.exchange)?.sql, "SELECT later");
      assert.deepEqual(Buffer.concat([...search.body(later.requested.exchange, "response")]), later.response);
      assert.deepEqual([...search.body(held.parts[0]?.requested.exchange ?? "", "response")], []);
    });
  },
);

test("what Kafka has not got yet is forgotten only when that is asked for", limit, async () => {
  const held = archived(2);
  const delivered = () => 100;
  const refused = { code: "not-delivered", message: /of journal 0 are not delivered to Kafka yet.*--force/ };
  await assert.rejects(forgetIn(held, { delivered }), refused);
  assert.notDeepEqual(tracesOf(held.dataDir, held.markers), []);
  const { remarks } = await forgetIn(held, { delivered, force: true });
  assert.match(remarks.join(), /Kafka gets them without/);
  assert.deepEqual(tracesOf(held.dataDir, held.markers), []);
});

test(
  "what Kafka was to get and never has is not forgotten, though there is no word of where delivery stands",
  limit,
  async () => {
    const held = archived(2);
    const { dataDir } = held;
    assert.equal(deliveredOf(dataDir)("0"), undefined);
    gatewayName(dataDir);
    await assert.rejects(forgetIn(held, { delivered: deliveredOf(dataDir) }), { code: "not-delivered" });
    assert.notDeepEqual(tracesOf(dataDir, held.markers), []);
  },
);

test("a reader that is behind, but past the session's records, hinders nobody", limit, async () => {
  const held = archived(2);
  const { end } = held.journal;
  const delivered = () => end;
  ingestAll(held.dataDir, held.journal.exchange(query({ session: OTHER })));
  await forgetIn(held, { delivered });
  assert.deepEqual(tracesOf(held.dataDir, held.markers), []);
});

test("what somebody still reads in the log is waited for", limit, async () => {
  const held = archived(2);
  const reading = new DatabaseSync(archiveFile(held.dataDir), { readOnly: true });
  reading.exec("BEGIN");
  reading.prepare("SELECT count(*) FROM exchanges").get();
  setTimeout(() => reading.close(), 300);
  await forgetIn(held);
  assert.deepEqual(tracesOf(held.dataDir, held.markers), []);
});

test("to forget again what was forgotten does what was left to do", limit, async () => {
  const held = archived(2);
  await forgetIn(held, { journals: [] });
  assert.notDeepEqual(tracesOf(held.dataDir, held.markers), []);
  await forgetIn(held);
  assert.deepEqual(tracesOf(held.dataDir, held.markers), []);
});

test(
  "bodies that came before it was known whose they are are forgotten with the session",
  limit,
  async () => {
    const dataDir = temporaryDirectory();
    const { parts, markers } = planted(SESSION);
    const [asked] = parts;
    assert.ok(asked !== undefined);
    const { requested, completed, request, response } = asked;
    const { exchange } = requested;
    const store = new ArchiveStore(archiveFile(dataDir));
    const apply = (record: JournalRecord) =>
      store.applyTold("bqtape://elsewhere/0", [{ positioned: { record, at: 0, next: 1 } }], []);
    apply({
      kind: "body",
      chunk: { exchange, direction: "response", sequence: 0, offset: 0, bytes: response },
    });
    apply({ kind: "event", event: requested });
    apply({
      kind: "body",
      chunk: { exchange, direction: "request", sequence: 0, offset: 0, bytes: request },
    });
    apply({ kind: "event", event: completed });
    store.close();
    const sealed = sealedPieces(dataDir, [SESSION, exchange]);
    const body = () => look(dataDir, (search) => Buffer.concat([...search.body(exchange, "response")]));
    assert.deepEqual(body(), response);
    await forgetIn({ dataDir, journal: new HandWrittenJournal(temporaryDirectory()) });
    assert.equal(body().length, 0);
    assert.deepEqual(tracesOf(dataDir, markers), []);
    assert.equal(piecesFound(dataDir, sealed), 0);
  },
);

test("an error that a forgotten session added to another one's statement goes, too", limit, async () => {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(sessionStarted(SESSION), sessionStarted(OTHER));
  const begun = query({ session: OTHER, operation: { job: "job_1" } });
  const message = marker("error");
  const poll = query({
    ...{ session: SESSION, time: 3_000, operation: { name: "jobs.getQueryResults", job: "job_1" } },
    response: { error: { code: 400, message: message.word, errors: [{ reason: "invalidQuery" }] } },
    status: 400,
  });
  const { sql: _, ...operation } = poll.requested.operation;
  journal.exchange(begun).exchange({ ...poll, requested: { ...poll.requested, operation } });
  ingestAll(dataDir, journal);
  const found = () =>
    look(dataDir, (search) => search.statements({ text: message.word }).map(({ id }) => id));
  assert.deepEqual(found(), [begun.requested.exchange]);
  await forgetIn({ dataDir, journal });
  assert.deepEqual(found(), []);
  assert.deepEqual(tracesOf(dataDir, [message]), []);
});
