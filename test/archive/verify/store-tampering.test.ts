import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { ArchiveSearch } from "../../../src/archive/search.ts";
import type { ProblemKind } from "../../../src/archive/verify/problem.ts";
import { ArchiveVerifier } from "../../../src/archive/verify/verify-archive.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, query, refusal, sessionStarted } from "../support.ts";
import { type Key, newKey, Recording } from "./recordings.ts";

const limit = { timeout: 60_000 };
const key = newKey();

/** What a gateway recorded of two sessions, sealed, with one that was refused before it had any. */
function recorded(signer: Key): Recording {
  const recording = new Recording();
  const own = recording.chain(undefined);
  recording.event(own, gatewayStarted("run-1", 1_000));
  recording.event(own, refusal(1_500));
  recording.event(own, {
    ...{ type: "identity.refused", time: 1_600, reason: "expired", suppressed: 0 },
    source: { address: "10.0.0.9", port: 4_000 },
  });
  const heads = ["s-1", "s-2"].map((session) => {
    const chain = recording.chain(session);
    recording.event(chain, sessionStarted(session));
    for (let at = 0; at < 3; at++) {
      const { requested, completed, request, response } = query({
        ...{ session, time: 2_000 + at, sql: `SELECT ${at} FROM shop.${session.replace("-", "_")}` },
      });
      recording.event(chain, requested);
      recording.body(requested.exchange, "request", request, 1_000);
      recording.body(requested.exchange, "response", response, 1_000);
      recording.event(chain, completed);
    }
    recording.sign(chain, signer, true);
    return chain.head;
  });
  recording.sign(own, signer, true, heads);
  return recording;
}

function archived(signer = key): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir);
  for (const record of recorded(signer).records) {
    if (record.kind === "event") journal.events(record.event);
    else journal.chunk(record.chunk);
  }
  ingestAll(dataDir, journal);
  return dataDir;
}

/** Every problem that is found in an archive, and where. */
function problems(dataDir: string): { kind: ProblemKind; session?: string | undefined; message: string }[] {
  const search = new ArchiveSearch(dataDir, false);
  try {
    const verifier = new ArchiveVerifier(search, [key.jwk]);
    const names = new Set([
      ...verifier.known,
      ...search.unlisted(),
      ...search.sessions({ limit: 1_000 }).map(({ id }) => id),
    ]);
    return [verifier.own, ...[...names].map((name) => verifier.session(name))].flatMap(
      (verdict) => verdict.problems,
    );
  } finally {
    search.close();
  }
}

const pristine = archived();

/** The archive, with something done to it behind its back. */
function tampered(sql: string): string {
  const dataDir = temporaryDirectory();
  for (const name of ["archive.sqlite", "archive.key"])
    copyFileSync(join(pristine, name), join(dataDir, name));
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec(sql);
  database.close();
  return dataDir;
}

const FIRST = "(SELECT min(id) FROM exchanges WHERE session = 's-1')";
const LAST = "(SELECT max(id) FROM exchanges WHERE session = 's-1')";

test("an archive that nobody touched is not accused", limit, () => {
  assert.deepEqual(problems(pristine), []);
});

for (const [what, sql, kind, message] of [
  ["an exchange's user", `UPDATE exchanges SET user = 'bob' WHERE id = ${FIRST}`, "row-changed", /user/],
  ["an exchange's time", `UPDATE exchanges SET time = 9 WHERE id = ${FIRST}`, "row-changed", /time/],
  ["a ruling", `UPDATE exchanges SET effect = 'deny' WHERE id = ${FIRST}`, "row-changed", /effect/],
  [
    "a count of rows",
    `UPDATE exchanges SET answer_rows = 0 WHERE id = ${FIRST}`,
    "row-changed",
    /answer_rows/,
  ],
  [
    "a statement's sums",
    `UPDATE exchanges SET statement_bytes = 1 WHERE id = ${FIRST}`,
    "row-changed",
    /statement_bytes/,
  ],
  ["a job's name", `UPDATE exchanges SET job = 'other' WHERE id = ${FIRST}`, "row-changed", /job/],
  [
    "the SQL of a statement",
    "UPDATE texts SET text = 'SELECT 0' WHERE text LIKE '%s_1'",
    "row-changed",
    /sql/,
  ],
  ["an exchange's row, removed", `DELETE FROM exchanges WHERE id = ${FIRST}`, "row-missing", /has no row/],
  [
    "an exchange's row, added",
    `INSERT INTO exchanges (id, journal, position, session, time, outcome) VALUES ('x', '0', 1, 's-1', 1, 'complete')`,
    "row-added",
    /x?.*is not recorded/,
  ],
  [
    "an exchange of a session that there is none of",
    `INSERT INTO exchanges (id, journal, position, session, time, outcome) VALUES ('x', '0', 1, 's-9', 1, 'complete')`,
    "row-added",
    /is not recorded/,
  ],
  [
    "an exchange's row, moved",
    `UPDATE exchanges SET session = 's-2' WHERE id = ${FIRST}`,
    "row-added",
    /is not recorded/,
  ],
  [
    "two exchanges' rows, swapped",
    `CREATE TEMP TABLE two AS SELECT ${FIRST} AS first, ${LAST} AS last;
     UPDATE exchanges SET id = 'swap' WHERE id = (SELECT first FROM two);
     UPDATE exchanges SET id = (SELECT first FROM two) WHERE id = (SELECT last FROM two);
     UPDATE exchanges SET id = (SELECT last FROM two) WHERE id = 'swap'`,
    "row-changed",
    /sql/,
  ],
  ["a session's user", "UPDATE sessions SET user = 'bob' WHERE id = 's-1'", "row-changed", /user/],
  ["a session's count", "UPDATE sessions SET denied = 7 WHERE id = 's-1'", "row-changed", /denied/],
  [
    "a session's row, removed",
    "DELETE FROM sessions WHERE id = 's-1'",
    "row-missing",
    /the session is recorded/,
  ],
  [
    "a session's row, added",
    `INSERT INTO sessions (id, started, user, source_address, source_port, last_activity) VALUES ('s-3', 1, 'x', '', 0, 1)`,
    "row-added",
    /the session has a row/,
  ],
  [
    "a block, changed",
    "UPDATE blocks SET sealed = zeroblob(200) WHERE scope = 's-1'",
    "unreadable",
    /block \d+/,
  ],
  ["a block, removed", "DELETE FROM blocks WHERE scope = 's-1'", "removed", /./],
  [
    "a block of the gateway's own, removed",
    "DELETE FROM blocks WHERE scope = 'none'",
    "row-added",
    /gateway's run/,
  ],
  [
    "a block, moved to another place",
    "UPDATE blocks SET id = id + 50 WHERE scope = 's-1'",
    "unreadable",
    /block/,
  ],
  [
    "a block, moved to another session",
    "UPDATE blocks SET scope = 's-2' WHERE scope = 's-1'",
    "removed",
    /a chain of 8 events is missing/,
  ],
  [
    "a block, there twice",
    "INSERT INTO blocks SELECT id + 50, scope, key, content, sealed FROM blocks WHERE scope = 's-1'",
    "unreadable",
    /block/,
  ],
  ["a session's key, removed", "DELETE FROM scope_keys WHERE scope = 's-1'", "removed", /./],
  ["a gateway's run", "UPDATE runs SET version = '6.6.6'", "row-changed", /version/],
  ["a gateway's run, removed", "DELETE FROM runs", "row-missing", /gateway's run/],
  ["a refused identity", "UPDATE refused_identities SET suppressed = 9", "row-changed", /suppressed/],
  ["a refused identity, removed", "DELETE FROM refused_identities", "row-missing", /refused identity/],
  ["a refused exchange, removed", "DELETE FROM exchanges WHERE session IS NULL", "row-missing", /has no row/],
] as const) {
  test(`${what}: found, and named`, limit, () => {
    const found = problems(tampered(sql));
    const named = found.filter((problem) => problem.kind === kind && message.test(problem.message));
    assert.ok(named.length > 0, JSON.stringify(found.slice(0, 5)));
  });
}

test("only what was touched is named", limit, () => {
  const found = problems(tampered(`UPDATE exchanges SET status = 500 WHERE id = ${LAST}`));
  assert.deepEqual(
    found.map(({ kind, session }) => [kind, session]),
    [["row-changed", "s-1"]],
  );
});

test("an archive that somebody made with a key of their own is found, however well it is made", limit, () => {
  const kinds = new Set(problems(archived(newKey())).map(({ kind }) => kind));
  assert.deepEqual([...kinds], ["foreign-key"]);
});

test("a session's key put in place of another's is told in words, and opens nothing", limit, () => {
  const [problem] = problems(
    tampered(
      "UPDATE scope_keys SET wrapped = (SELECT wrapped FROM scope_keys WHERE scope = 's-2') WHERE scope = 's-1'",
    ),
  ).filter(({ session }) => session === "s-1");
  assert.equal(problem?.kind, "unreadable");
  assert.match(problem.message, /its key was changed/);
});
