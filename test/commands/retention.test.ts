import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tryLock } from "../../src/recording/lock.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal, query, sessionStarted } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape } from "./recorded.ts";

const limit = { timeout: 120_000 };
const DAY = 86_400_000;
const [OLD, YOUNG] = [uuidv7(), uuidv7()];

/** A data directory with a session of a hundred days ago and one of now, and a configuration for it. */
function recorded(retention: string) {
  const directory = temporaryDirectory();
  const now = Date.now();
  const journal = new HandWrittenJournal(join(directory, "data")).events(gatewayStarted("run", now));
  for (const [session, time] of [
    [OLD, now - 100 * DAY],
    [YOUNG, now],
  ] as const) {
    journal.events(sessionStarted(session, "alice", time)).exchange(query({ session, time }));
  }
  const config = join(directory, "bqtape.yaml");
  writeFileSync(config, `credential: { type: application-default }\narchive: { retention: ${retention} }\n`);
  return { at: ["--config", config], dataDir: join(directory, "data") };
}

function listed(at: readonly string[]): string[] {
  const { sessions } = JSON.parse(bqtape("sessions", "--json", ...at).stdout);
  return sessions.map(({ id }: { id: string }) => id);
}

test("archive retain retires what its configuration says, and first tells what that would be", limit, () => {
  const { at } = recorded("{ events: 90d }");
  const dry = bqtape("archive", "retain", "--dry-run", ...at);
  assert.match(
    dry.stdout,
    /^would have retired 1 session \(.*\), last active up to .*, as their time was up\n$/,
  );
  assert.deepEqual(listed(at), [YOUNG, OLD]);
  const { stdout, status } = bqtape("archive", "retain", "--json", ...at);
  assert.equal(status, 0);
  assert.partialDeepStrictEqual(JSON.parse(stdout), {
    dryRun: false,
    retired: [{ what: "sessions", because: "age", sessions: 1, exchanges: 1 }],
  });
  assert.deepEqual(listed(at), [YOUNG]);
});

test("archive retain without any rule is wrong usage, and says how to give one", limit, () => {
  const { dataDir } = recorded("90d");
  const { status, stderr } = bqtape("archive", "retain", "--data-dir", dataDir);
  assert.equal(status, 2);
  assert.match(stderr, /kept for ever: set archive\.retention/);
});

test(
  "a session under hold is neither retired nor forgotten until it is released, and is listed as held",
  limit,
  () => {
    const { at } = recorded("90d");
    assert.equal(bqtape("hold", OLD, ...at).status, 2);
    assert.equal(bqtape("hold", OLD, "--because", "case 7", "--by", "dave", ...at).status, 0);
    assert.match(bqtape("hold", "--list", ...at).stdout, new RegExp(`${OLD} +alice +\\d{4}.* +dave +case 7`));
    assert.match(bqtape("sessions", ...at).stdout, new RegExp(`${OLD} .* held `));
    bqtape("archive", "retain", ...at);
    const refused = bqtape("forget", OLD, "--because", "x", "--yes", ...at);
    assert.match(refused.stderr, /legal hold .*case 7/);
    assert.equal(refused.status, 1);
    assert.deepEqual(listed(at), [YOUNG, OLD]);
    assert.equal(bqtape("hold", OLD, "--release", ...at).status, 0);
    assert.match(bqtape("hold", OLD, "--release", ...at).stderr, /is not held/);
    assert.deepEqual(JSON.parse(bqtape("hold", "--list", "--json", ...at).stdout), { sessions: [] });
    bqtape("archive", "retain", ...at);
    assert.deepEqual(listed(at), [YOUNG]);
  },
);

test("archive rekey replaces the master key, but not while a gateway uses it", limit, () => {
  const { at, dataDir } = recorded("90d");
  assert.deepEqual(listed(at), [YOUNG, OLD]);
  const lock = tryLock(dataDir);
  const refused = bqtape("archive", "rekey", ...at);
  lock?.release();
  assert.match(refused.stderr, /a gateway uses .*stop it/);
  assert.equal(refused.status, 1);
  const { status, stdout } = bqtape("archive", "rekey", "--json", ...at);
  assert.deepEqual([status, JSON.parse(stdout)], [0, { keys: 4 }]);
  assert.match(bqtape("replay", OLD, ...at).stdout, /Ada/);
});
