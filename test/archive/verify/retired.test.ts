import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { hold } from "../../../src/archive/retention/holds.ts";
import { Sweep, type SweepOptions } from "../../../src/archive/retention/sweep.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { tapeLines } from "../../../src/archive/tape/write.ts";
import { noticesOf } from "../../../src/archive/verify/destroyed.ts";
import { ArchiveVerifier } from "../../../src/archive/verify/verify-archive.ts";
import { verifyTape } from "../../../src/archive/verify/verify-tape.ts";
import { archiveSchema } from "../../../src/config/archive.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import type { Chain } from "../../../src/recording/chain.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
  type ExchangeOptions,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  refusal,
  sessionStarted,
} from "../support.ts";
import { bodySummary, newKey, Recording, tapeFile } from "./recordings.ts";

const limit = { timeout: 60_000 };
const DAY = 86_400_000;
const NOW = Date.now();
const key = newKey();

/** Of a session and a day: more than one step of a sweep takes. */
const EXCHANGES = 120;

function retentionOf(retention: unknown) {
  return archiveSchema.parse({ retention }).retention;
}

/** A gateway's recording and its archive, day by day. */
class Recorded {
  readonly dataDir = temporaryDirectory();
  readonly #journal = new HandWrittenJournal(this.dataDir);
  readonly #recording = new Recording();
  readonly #chains = new Map<string, Chain>();
  readonly #own = this.#recording.chain(undefined);
  #written = 0;

  /** Whose checkpoints and records of itself are so many days old. */
  day(age: number, sessions: readonly string[]): this {
    const time = NOW - age * DAY;
    const recording = this.#recording;
    recording.event(this.#own, age === 100 ? gatewayStarted("run", time) : refusal(time));
    const heads = sessions.map((session) => {
      const known = this.#chains.get(session);
      const chain = known ?? recording.chain(session);
      this.#chains.set(session, chain);
      if (known === undefined) recording.event(chain, sessionStarted(session, "alice", time));
      for (let index = 0; index < EXCHANGES; index++) this.#exchange(chain, { session, time: time + index });
      this.#sign(chain, time + 1_000);
      return chain.head;
    });
    this.#sign(this.#own, time + 2_000, heads);
    return this.#ingest();
  }

  #ingest(): this {
    const recording = this.#recording;
    for (const record of recording.records.slice(this.#written)) {
      if (record.kind === "body") this.#journal.chunk(record.chunk);
      else this.#journal.events(record.event);
    }
    this.#written = recording.records.length;
    ingestAll(this.dataDir, this.#journal);
    return this;
  }

  /** A statement that one session begins and another reads on, each on its own day. */
  shared(first: number, second: number): this {
    const page = { name: "jobs.getQueryResults", job: "job_1" };
    const parts: [string, number, Partial<ExchangeOptions>][] = [
      ["first", first, {}],
      [
        "second",
        second,
        { operation: page, request: "", target: "/bigquery/v2/projects/shop-project/queries/job_1" },
      ],
    ];
    for (const [session, age, options] of parts) {
      const chain = this.#recording.chain(session);
      this.#recording.event(chain, sessionStarted(session, "alice", NOW - age * DAY));
      this.#exchange(chain, { session, time: NOW - age * DAY, ...options });
    }
    return this.#ingest();
  }

  sweep(options: SweepOptions, meanwhile?: (store: ArchiveStore, steps: number) => boolean): number {
    const store = new ArchiveStore(archiveFile(this.dataDir));
    let steps = 0;
    try {
      const sweep = new Sweep(store, { now: NOW, signer: key, ...options });
      while (sweep.step()) {
        steps += 1;
        if (meanwhile?.(store, steps) === false) break;
      }
    } finally {
      store.close();
    }
    return steps;
  }

  /** What is wrong, of all sessions that anything knows. */
  problems(): string[] {
    return look(this.dataDir, (search) => {
      const verifier = new ArchiveVerifier(search, [key.jwk]);
      const names = new Set([...verifier.known, ...search.unlisted()]);
      for (const { id } of search.sessions()) names.add(id);
      const verdicts = [verifier.own, ...[...names].map((name) => verifier.session(name))];
      return verdicts.flatMap(({ session, problems }) =>
        problems.map(({ kind, message }) => `${session}: ${kind}: ${message}`),
      );
    });
  }

  /** Changes the archive behind its back. */
  tamper(sql: string): this {
    const database = new DatabaseSync(archiveFile(this.dataDir));
    database.exec(sql);
    database.close();
    return this;
  }

  #exchange(chain: Chain, options: ExchangeOptions): void {
    const { requested, completed, request, response } = query(options);
    const recording = this.#recording;
    recording.event(chain, requested);
    recording.body(requested.exchange, "request", request, 1_000);
    recording.body(requested.exchange, "response", response, 1_000);
    const answered = { ...bodySummary(response, 1_000), headers: completed.response.headers };
    recording.event(chain, { ...completed, request: bodySummary(request, 1_000), response: answered });
  }

  #sign(chain: Chain, time: number, heads?: Chain["head"][]): void {
    const real = Date.now;
    Date.now = () => time;
    try {
      this.#recording.sign(chain, key, false, heads);
    } finally {
      Date.now = real;
    }
  }
}

/** Two sessions that are old and one that is not. */
function recorded(): Recorded {
  return new Recorded().day(100, ["old"]).day(95, ["older"]).day(50, ["young"]).day(1, ["young"]);
}

const SESSIONS = { retention: retentionOf("90d") };
const BODIES = { retention: retentionOf({ events: "400d", bodies: "90d" }) };

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
    archive.sweep({ maxBytes: 1 });
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
        archive.sweep({});
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
  archive.day(0.5, ["old"]);
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
    archive.sweep({ maxBytes: 1 });
    assert.match(archive.tamper(sql).problems().join("\n"), /older: removed/);
  });
}

test("a statement that a retired session had a part in is not called changed", limit, () => {
  for (const [first, second] of [
    [100, 50],
    [50, 100],
  ] as const) {
    const archive = new Recorded().shared(first, second);
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
    return [...tapeLines("old", search.records("old"), { ...key, keys: [key.jwk] }, notices)];
  });
  const { problems, notes } = verifyTape(tapeFile(lines.map((line) => Buffer.from(line))), [key.jwk]);
  assert.deepEqual(problems, []);
  assert.ok(notes.some(({ kind }) => kind === "forgotten"));
});
