import assert from "node:assert/strict";
import { test } from "node:test";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { planted, tracesOf } from "../archive/retention/traces.ts";
import { gatewayStarted, HandWrittenJournal, sessionStarted } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape } from "./recorded.ts";

const limit = { timeout: 60_000 };
const SESSION = uuidv7();

function recorded() {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  const { parts, markers } = planted(SESSION);
  for (const each of parts) journal.exchange(each);
  return { dataDir, markers, parts };
}

test("forget does away with what a session quotes, and says so from then on", limit, () => {
  const { dataDir, markers, parts } = recorded();
  const given = ["--because", "erasure request 12", "--by", "carol", "--yes", "--data-dir", dataDir];
  const { status, stdout } = bqtape("forget", SESSION.slice(0, 20), ...given);
  assert.equal(status, 0);
  assert.match(stdout, /is forgotten: what 2 exchanges quoted/);
  assert.deepEqual(tracesOf(dataDir, markers), []);
  const replayed = bqtape("replay", SESSION, "--data-dir", dataDir);
  assert.match(replayed.stdout, /gone +forgotten at .* by carol: erasure request 12/);
  assert.match(bqtape("sessions", "--data-dir", dataDir).stdout, / forgotten /);
  const raw = bqtape("replay", parts[0]?.requested.exchange ?? "", "--raw", "--data-dir", dataDir);
  assert.deepEqual([raw.status, raw.stdout], [1, ""]);
  assert.match(raw.stderr, /is gone: its session was forgotten: erasure request 12/);
});

test("--json prints what was done as one object", limit, () => {
  const { dataDir } = recorded();
  const { stdout } = bqtape("forget", SESSION, "--because", "x", "--yes", "--json", "--data-dir", dataDir);
  assert.partialDeepStrictEqual(JSON.parse(stdout), { session: SESSION, exchanges: 2, remarks: [] });
});

test("nothing is forgotten without a reason, without a yes, or by the id of an exchange", limit, () => {
  const { dataDir, markers, parts } = recorded();
  const exchange = parts[0]?.requested.exchange ?? "";
  const at = ["--data-dir", dataDir];
  assert.equal(bqtape("forget", SESSION, "--yes", ...at).status, 2);
  assert.equal(bqtape("forget", SESSION, "--because", " ", "--yes", ...at).status, 2);
  const unasked = bqtape("forget", SESSION, "--because", "x", ...at);
  assert.match(unasked.stderr, /cannot be undone .*2 exchanges.*--yes/);
  assert.equal(unasked.status, 2);
  const ofExchange = bqtape("forget", exchange, "--because", "x", "--yes", ...at);
  assert.match(ofExchange.stderr, new RegExp(`is an exchange of session ${SESSION}`));
  assert.equal(ofExchange.status, 1);
  assert.notDeepEqual(tracesOf(dataDir, markers), []);
});
