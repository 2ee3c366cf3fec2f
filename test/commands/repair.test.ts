import assert from "node:assert/strict";
import { existsSync, truncateSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { archiveFile } from "../../src/config/paths.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, query, sessionStarted } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape } from "./recorded.ts";

const limit = { timeout: 120_000 };
const SESSION = uuidv7();

function archived() {
  const dataDir = temporaryDirectory();
  const parts = query({ session: SESSION });
  const journal = new HandWrittenJournal(dataDir)
    .events(gatewayStarted(), sessionStarted(SESSION))
    .exchange(parts);
  ingestAll(dataDir, journal);
  return { dataDir, parts, at: ["--data-dir", dataDir] };
}

test("a damaged archive is told with what to do, and repaired by that", limit, () => {
  const { dataDir, at } = archived();
  truncateSync(archiveFile(dataDir), 20_000);
  const { status, stderr } = bqtape("sessions", ...at);
  assert.equal(status, 1);
  assert.match(stderr, /archive\.sqlite is damaged .*bqtape archive repair/);
  const done = bqtape("archive", "repair", ...at);
  assert.equal(done.status, 0);
  assert.match(done.stdout, /Saved .*\n {2}damaged: [\s\S]*is kept as (\S+archive\.sqlite\.damaged-\S+)\. /);
  assert.ok(existsSync(/kept as (\S+)\. /.exec(done.stdout)?.[1] ?? ""));
  assert.match(bqtape("replay", SESSION, ...at).stdout, /Ada/);
  assert.match(
    bqtape("archive", "repair", ...at).stdout,
    /is whole: \d+ blocks?, \d+ records?\. Nothing was changed/,
  );
});

test("a command that shows what a damaged block should have tells so, and exits with 1", limit, () => {
  const { dataDir, at, parts } = archived();
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec(`UPDATE blocks SET sealed = zeroblob(9) WHERE scope = '${SESSION}'`);
  database.close();
  const { status, stdout, stderr } = bqtape("replay", parts.requested.exchange, "--json", ...at);
  assert.equal(status, 1);
  assert.match(stderr, /block \d+ of .* cannot be read: it was changed.*is missing here/);
  assert.equal(JSON.parse(stdout).exchange.status, 200);
});
