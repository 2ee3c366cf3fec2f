import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { hold } from "../../../src/archive/retention/holds.ts";
import { usedBytes } from "../../../src/archive/retention/size.ts";
import { Sweep, type SweepOptions } from "../../../src/archive/retention/sweep.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { archiveSchema } from "../../../src/config/archive.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { sealedForm } from "../../../src/recording/sealed-form.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  refusal,
  sessionStarted,
} from "../support.ts";
import { planted, tracesOf } from "./traces.ts";

const limit = { timeout: 60_000 };
const DAY = 86_400_000;
/** Of the tests: so many days after sessions named by their day. */
const NOW = 1_000 * DAY;

function retentionOf(retention: unknown) {
  return archiveSchema.parse({ retention }).retention;
}

/** One session for each age in days, with what is planted in it. */
function archived(...ages: readonly number[]) {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted("run", NOW));
  const markers = ages.map((age) => {
    const time = NOW - age * DAY;
    const session = `s-${age}`;
    const { parts, markers: ofSession } = planted(session, time - 1_000);
    journal.events(sessionStarted(session, age % 2 === 0 ? "alice" : "bob", time - 2_000));
    for (const each of parts) journal.exchange(each);
    return ofSession;
  });
  ingestAll(dataDir, journal);
  return { dataDir, journal, markers };
}

function sweepIn(dataDir: string, options: SweepOptions) {
  const store = new ArchiveStore(archiveFile(dataDir));
  try {
    const sweep = new Sweep(store, { now: NOW, ...options });
    while (sweep.step());
    assert.ok(store.emptyLog());
    return sweep.retired;
  } finally {
    store.close();
  }
}

function sessionsIn(dataDir: string): string[] {
  return look(dataDir, (search) => search.sessions().map(({ id }) => id));
}

test(
  "sessions older than archive.retention are gone with all that they quoted, and younger ones whole",
  limit,
  () => {
    const { dataDir, markers } = archived(100, 91, 89);
    const before = look(dataDir, (search) => [...search.records("s-89")]);
    sweepIn(dataDir, { retention: retentionOf("90d") });
    assert.deepEqual(sessionsIn(dataDir), ["s-89"]);
    const file = (traces: string[]) => traces.filter((trace) => trace.includes("archive.sqlite"));
    assert.deepEqual(file(tracesOf(dataDir, [...(markers[0] ?? []), ...(markers[1] ?? [])])), []);
    assert.deepEqual(
      look(dataDir, (search) => [...search.records("s-89")]),
      before,
    );
    const database = new DatabaseSync(archiveFile(dataDir), { readOnly: true });
    for (const table of ["exchanges", "blocks", "texts", "scope_keys"]) {
      const left = Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
      assert.ok(left > 0 && left <= 6, `${left} rows in ${table}`);
    }
    database.close();
  },
);

test("bodies may be kept for less: then the events stay, in sealed form", limit, () => {
  const { dataDir, markers } = archived(31, 29);
  const before = look(dataDir, (search) => [...search.records("s-31")]);
  sweepIn(dataDir, { retention: retentionOf({ events: "400d", bodies: "30d" }) });
  const traces = tracesOf(dataDir, markers[0] ?? []).filter((trace) => trace.includes("archive.sqlite"));
  assert.deepEqual(traces, []);
  look(dataDir, (search) => {
    assert.deepEqual(
      [...search.records("s-31")],
      before.flatMap((record) =>
        record.kind === "event" ? [{ kind: "event", event: sealedForm(record.event) }] : [],
      ),
    );
    assert.deepEqual(
      search.sessions().map(({ id, bodiesRetired }) => [id, bodiesRetired]),
      [
        ["s-29", undefined],
        ["s-31", true],
      ],
    );
  });
  assert.deepEqual(sweepIn(dataDir, { retention: retentionOf({ events: "400d", bodies: "30d" }) }), []);
});

for (const [what, rule] of [
  ["a group", { group: "Analysts" }],
  ["a user", { user: "alice" }],
  ["a subject", { user: "local:alice" }],
  ["a rule of the policy", { rule: "default" }],
] as const) {
  test(`a rule for ${what} keeps sessions longer, and the longest that applies wins`, limit, () => {
    const { dataDir } = archived(400, 100);
    const rules = [
      { ...rule, events: "1y" },
      { ...rule, events: "10d" },
      { user: "nobody", events: "9y" },
    ];
    sweepIn(dataDir, { retention: retentionOf({ events: "90d", rules }) });
    assert.deepEqual(sessionsIn(dataDir), ["s-100"]);
  });
}

test("a session under legal hold is not retired, neither by age nor for want of room", limit, () => {
  const { dataDir } = archived(100, 50);
  const store = new ArchiveStore(archiveFile(dataDir));
  store.maintain((keeping) => hold(keeping, { session: "s-100", by: "dave", because: "case 7", time: NOW }));
  store.close();
  sweepIn(dataDir, { retention: retentionOf("10d"), maxBytes: 1 });
  assert.deepEqual(sessionsIn(dataDir), ["s-100"]);
});

test("what had no session goes by age, too", limit, () => {
  const dataDir = temporaryDirectory();
  const [old, young] = [refusal(NOW - 100 * DAY), refusal(NOW - DAY)];
  const journal = new HandWrittenJournal(dataDir).events(old);
  ingestAll(dataDir, journal);
  ingestAll(dataDir, journal.events(young));
  sweepIn(dataDir, { retention: retentionOf("90d") });
  look(dataDir, (search) => {
    assert.equal(search.exchange(old.exchange), undefined);
    assert.equal(search.exchange(young.exchange)?.outcome, "denied");
    assert.equal([...search.records("none")].length, 1);
  });
});

test("an archive larger than it may be loses its oldest sessions, until it is under 90 %", limit, () => {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir);
  for (let age = 40; age > 0; age--) {
    const response = { rows: [{ f: [{ v: randomBytes(60_000).toString("base64") }] }] };
    const session = `s-${String(age).padStart(2, "0")}`;
    const time = NOW - age * DAY;
    journal.events(sessionStarted(session, "alice", time)).exchange(query({ session, time, response }));
  }
  ingestAll(dataDir, journal);
  const maxBytes = 2 * 1024 * 1024;
  const retired = sweepIn(dataDir, { maxBytes });
  const left = sessionsIn(dataDir);
  assert.ok(left.length > 10 && left.length < 35, `${left.length} sessions`);
  assert.deepEqual(left, left.toSorted());
  const database = new DatabaseSync(archiveFile(dataDir), { readOnly: true });
  assert.ok(usedBytes(database) < 0.9 * maxBytes);
  const notices = database.prepare("SELECT content FROM notices").all();
  database.close();
  assert.equal(notices.length, 1);
  assert.partialDeepStrictEqual(JSON.parse(String(notices[0]?.content)), {
    ...{ type: "retired", what: "sessions", because: "budget" },
    ...{ sessions: 40 - left.length, exchanges: 40 - left.length, from: NOW - 40 * DAY + 25 },
  });
  assert.equal(retired.length, 1);
});

test(
  "a large session goes in short steps, between which others write, and is whole in the end",
  limit,
  () => {
    const dataDir = temporaryDirectory();
    const time = NOW - 100 * DAY;
    const journal = new HandWrittenJournal(dataDir).events(sessionStarted("s-large", "alice", time));
    for (let index = 0; index < 1_500; index++) {
      const sql = `SELECT ${randomBytes(8).toString("hex")}`;
      journal.exchange(
        query({ session: "s-large", time, sql, response: { v: randomBytes(4_000).toString("hex") } }),
      );
    }
    ingestAll(dataDir, journal);
    const store = new ArchiveStore(archiveFile(dataDir));
    const sweep = new Sweep(store, { now: NOW, retention: retentionOf({ events: "400d", bodies: "30d" }) });
    let steps = 0;
    while (sweep.step()) {
      steps += 1;
      // A gateway's archive, meanwhile.
      store.apply("1", { records: [], gaps: [], next: steps });
    }
    store.close();
    assert.ok(steps > 3, `${steps} steps`);
    look(dataDir, (search) => {
      assert.equal([...search.records("s-large")].length, 3_001);
      assert.deepEqual(search.statements({ text: "SELECT" }), []);
    });
  },
);
