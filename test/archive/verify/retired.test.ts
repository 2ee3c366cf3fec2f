import assert from "node:assert/strict";
import { test } from "node:test";
import { hold } from "../../../src/archive/retention/holds.ts";
import { tapeLines } from "../../../src/archive/tape/write.ts";
import { noticesOf } from "../../../src/archive/verify/destroyed.ts";
import { ArchiveVerifier, type VerifiableArchive } from "../../../src/archive/verify/verify-archive.ts";
import { verifyTape } from "../../../src/archive/verify/verify-tape.ts";
import { archiveSchema } from "../../../src/config/archive.ts";
import { look, refusal } from "../support.ts";
import { RecordedArchive } from "./recorded-archive.ts";
import { tapeFile } from "./recordings.ts";

const limit = { timeout: 60_000 };
const DAY = 86_400_000;
const NOW = Date.now();

/** Of a session and a day: more than one step of a sweep takes. */
const EXCHANGES = 120;

function retentionOf(retention: unknown) {
  return archiveSchema.parse({ retention }).retention;
}

/** A day, so many days ago, of one gateway and some sessions. */
function day(archive: RecordedArchive, age: number, sessions: readonly string[]): RecordedArchive {
  const time = NOW - age * DAY;
  const gateway = archive.gateway();
  if (age === 100) gateway.start(time);
  else gateway.event(refusal(time));
  for (const session of sessions) {
    for (let index = 0; index < EXCHANGES; index++) archive.exchange({ session, time: time + index });
  }
  gateway.sign(archive.key, time + 2_000);
  return archive.ingest();
}

/** Two sessions that are old and one that is not. */
function recorded(): RecordedArchive {
  const archive = new RecordedArchive();
  day(archive, 100, ["old"]);
  day(archive, 95, ["older"]);
  day(archive, 50, ["young"]);
  return day(archive, 1, ["young"]);
}

const SESSIONS = { now: NOW, retention: retentionOf("90d") };
const BODIES = { now: NOW, retention: retentionOf({ events: "400d", bodies: "90d" }) };

test("what was retired is not missed", limit, () => {
  const archive = recorded();
  assert.deepEqual(archive.problems(), []);
  archive.sweep(SESSIONS);
  assert.deepEqual(archive.problems(), []);
});

test("bodies that were retired are not missed", limit, () => {
  const archive = recorded();
  archive.sweep(BODIES);
  assert.deepEqual(archive.problems(), []);
});

test(
  "what was retired for want of room is not missed, though the gateway's own chain still knows it",
  limit,
  () => {
    const archive = recorded();
    archive.sweep({ now: NOW, maxBytes: 1 });
    assert.deepEqual(archive.problems(), []);
  },
);

for (const [what, options] of [
  ["sessions", SESSIONS],
  ["bodies", BODIES],
] as const) {
  test(
    `${what} whose retirement is cut short are not missed, at any of its steps, and the next sweep does the rest`,
    limit,
    () => {
      const steps = recorded().sweep(options);
      assert.ok(steps > 4, `${steps} steps`);
      for (let cut = 1; cut < steps; cut++) {
        const archive = recorded();
        archive.sweep(options, (_, done) => done < cut);
        assert.deepEqual(archive.problems(), [], `behind step ${cut} of ${steps}`);
        // Whatever rule it was, it may be gone.
        archive.sweep({ now: NOW });
        assert.deepEqual(archive.problems(), [], `brought to its end from step ${cut}`);
      }
    },
  );
}

test("a session cannot be held once a part of it has gone", limit, () => {
  const archive = recorded();
  let refused = 0;
  archive.sweep(SESSIONS, (store, steps) => {
    if (steps > 1) return true;
    const order = { session: "old", by: "dave", because: "case 7", time: NOW };
    assert.throws(() => store.maintain((keeping) => hold(keeping, order)), /cannot be held any more/);
    refused += 1;
    return true;
  });
  assert.equal(refused, 1);
  assert.deepEqual(archive.problems(), []);
});

test("a session that goes on behind its retirement is proven from there on", limit, () => {
  const archive = recorded();
  archive.sweep({ ...SESSIONS, now: NOW - DAY });
  day(archive, 0.5, ["old"]);
  assert.deepEqual(archive.problems(), []);
  archive.tamper("DELETE FROM blocks WHERE scope = 'old'");
  assert.match(archive.problems().join("\n"), /old: (removed|missing-end)/);
});

test("what no notice names is missed, whatever else was retired", limit, () => {
  const archive = recorded();
  archive.sweep(SESSIONS);
  archive.tamper("DELETE FROM blocks WHERE scope = 'young'; DELETE FROM sessions WHERE id = 'young'");
  assert.match(archive.problems().join("\n"), /young: removed/);
});

test("of the gateways' own records only the beginning may be gone that its notice tells", limit, () => {
  const archive = recorded();
  archive.sweep(SESSIONS);
  archive.tamper("DELETE FROM blocks WHERE id = (SELECT min(id) FROM blocks WHERE scope = 'none')");
  assert.match(archive.problems().join("\n"), /none: removed/);
});

for (const [how, sql] of [
  ["is gone", "DELETE FROM notices"],
  ["was changed", "UPDATE notices SET content = replace(content, 'older', 'young')"],
] as const) {
  test(`what was retired is missed when its notice ${how}`, limit, () => {
    const archive = recorded();
    archive.sweep({ now: NOW, maxBytes: 1 });
    assert.match(archive.tamper(sql).problems().join("\n"), /older: removed/);
  });
}

test("a statement that a retired session had a part in is not called changed", limit, () => {
  for (const [first, second] of [
    [100, 50],
    [50, 100],
  ] as const) {
    const archive = new RecordedArchive();
    const operation = { name: "jobs.getQueryResults", job: "job_1" };
    const target = "/bigquery/v2/projects/shop-project/queries/job_1";
    archive.exchange({ session: "first", time: NOW - first * DAY });
    archive.exchange({ session: "second", time: NOW - second * DAY, operation, target, request: "" });
    archive.ingest();
    const { dataDir } = archive;
    const [statement] = look(dataDir, (search) => search.statements({}));
    assert.equal(statement?.exchanges, 2);
    assert.deepEqual(archive.problems(), []);
    archive.sweep(SESSIONS);
    assert.deepEqual(archive.problems(), []);
    archive.tamper("UPDATE exchanges SET user = 'mallory'");
    assert.match(archive.problems().join("\n"), /row-changed: .*: user/);
  }
});

test("a tape of what is left brings along what says why there is no more", limit, () => {
  const archive = recorded();
  archive.sweep(BODIES);
  const lines = look(archive.dataDir, (search) => {
    const notices = [...noticesOf("old", search.notices())];
    return [...tapeLines("old", search.records("old"), { ...archive.key, keys: [archive.key.jwk] }, notices)];
  });
  const { problems, notes } = verifyTape(tapeFile(lines.map((line) => Buffer.from(line))), [archive.key.jwk]);
  assert.deepEqual(problems, []);
  assert.ok(notes.some(({ kind }) => kind === "forgotten"));
});

for (const [what, meanwhile] of [
  ["recorded", (archive: RecordedArchive) => void day(archive, 0.5, ["young"])],
  ["retired", (archive: RecordedArchive) => void archive.sweep({ now: NOW, maxBytes: 1 })],
] as const) {
  test(`a session that is ${what} while it is checked is not accused`, limit, () => {
    const archive = recorded();
    look(archive.dataDir, (search) => {
      let times = 0;
      function* records(session: string) {
        yield* search.records(session);
        if (session !== "young") return;
        meanwhile(archive);
        times += 1;
      }
      const checked: VerifiableArchive = {
        records,
        checkRows: (session, gone) => search.checkRows(session, gone),
        notices: () => search.notices(),
        atOnce: (check) => search.atOnce(check),
      };
      const verifier = new ArchiveVerifier(checked, [archive.key.jwk]);
      assert.deepEqual(verifier.own.problems, []);
      assert.deepEqual(verifier.session("young").problems, []);
      assert.ok(times > 0);
      for (const session of verifier.known) assert.deepEqual(verifier.session(session).problems, []);
    });
  });
}
