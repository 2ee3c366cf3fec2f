import assert from "node:assert/strict";
import { constants } from "node:os";
import { type TestContext, test } from "node:test";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal, query, sessionStarted } from "../archive/support.ts";
import { partFor } from "../clients/support/parts.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { inTerminal, type Step } from "../support/terminal.ts";
import { bqtape } from "./recorded.ts";

const limit = { timeout: 120_000 };
const SESSION = uuidv7();

const HEADER: Step = ["await", "session .*\\[space: next, at \\+1\\.0 s {3}q: quit\\] "];
const FIRST: Step = ["await", "SELECT 1.*next, at \\+2\\.5 s.*quit"];

test("--step shows one statement for each key, with the time since the session began", limit, async (t) => {
  const last: Step = ["await", "SELECT 3.*first answer after"];
  const second: Step = ["await", "SELECT 2.*next, at \\+1 h 0 m.*quit"];
  const ran = await stepped(t, [HEADER, ["type", " "], FIRST, ["type", "\r"], second, ["type", "\n"], last]);
  if (ran === undefined) return;
  assert.deepEqual([ran.status, ran.raw.slice(0, 3), ran.rawAtEnd], [0, [true, true, true], false]);
});

for (const [name, key] of [
  ["q", "q"],
  ["Ctrl-C", "\u0003"],
  ["Ctrl-D", "\u0004"],
] as const) {
  test(`--step ends with ${name}, and puts the terminal back`, limit, async (t) => {
    const ran = await stepped(t, [HEADER, ["type", " "], FIRST, ["type", key]]);
    if (ran === undefined) return;
    assert.deepEqual([ran.status, ran.rawAtEnd], [0, false]);
    assert.doesNotMatch(ran.shown, /SELECT 2/);
  });
}

test("other keys, and escape sequences, mean nothing to --step", limit, async (t) => {
  const ran = await stepped(t, [HEADER, ["type", "x\u001b[A\u007f "], FIRST, ["type", "q"]]);
  if (ran === undefined) return;
  assert.doesNotMatch(ran.shown, /SELECT 2/);
});

test("keys typed ahead count one by one", limit, async (t) => {
  const ran = await stepped(t, [HEADER, ["type", "  q"]]);
  if (ran === undefined) return;
  assert.match(ran.shown, /SELECT 1[\s\S]*SELECT 2/);
  assert.doesNotMatch(ran.shown, /SELECT 3/);
});

for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  test(`${name} ends --step as it ends any command, and the terminal is put back`, limit, async (t) => {
    const signal = constants.signals[name];
    const ran = await stepped(t, [HEADER, ["signal", signal]]);
    if (ran === undefined) return;
    assert.deepEqual([ran.status, ran.raw, ran.rawAtEnd], [-signal, [true], false]);
  });
}

test("--step without a terminal is wrong usage", limit, () => {
  const { status, stderr } = bqtape("replay", SESSION, "--step", "--data-dir", recorded());
  assert.match(stderr, /--step .* must be a terminal/);
  assert.equal(status, 2);
});

test(
  "--speed lets no time pass for what took none, and shows the time since the session began",
  limit,
  () => {
    const { status, stdout } = bqtape("replay", SESSION, "--speed", "100000", "--data-dir", recorded());
    assert.match(stdout, /^1 .*\+1\.0 s [\s\S]*^2 .*\+2\.5 s [\s\S]*^3 .*\+1 h 0 m /m);
    assert.equal(status, 0);
  },
);

function recorded(): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (const [index, time] of [2_000, 3_500, 3_601_000].entries())
    journal.exchange(query({ session: SESSION, time, sql: `SELECT ${index + 1}` }));
  return dataDir;
}

async function stepped(t: TestContext, steps: readonly Step[]) {
  const python = partFor(t, "python");
  if (python === undefined) return undefined;
  return await inTerminal(python, ["replay", SESSION, "--step", "--data-dir", recorded()], steps);
}
