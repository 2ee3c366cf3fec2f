import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bqtape } from "../../commands/recorded.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { recording } from "./support.ts";

const limit = { timeout: 120_000 };

test("a recorded session becomes a tape that proves itself, and that nobody can change", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  const path = `/bigquery/v2/projects/${project}/queries`;
  await ask({ path, body: JSON.stringify({ query: "SELECT 'alpha' AS word", useLegacySql: false }) });
  const file = join(temporaryDirectory(), "session.tape");
  const made = bqtape("export", session, "--format", "tape", "--output", file, "--data-dir", dataDir);
  assert.equal(made.status, 0, made.stderr);
  const whole = bqtape("verify", file, "--data-dir", dataDir);
  assert.equal(whole.status, 0, whole.stdout + whole.stderr);
  writeFileSync(file, readFileSync(file, "utf8").replace("'alpha'", "'omega'"));
  const changed = bqtape("verify", file, "--data-dir", dataDir, "--json");
  assert.equal(changed.status, 3);
  assert.match(changed.stdout, /"changed"/);
});

test("the archive proves the session, and the gateway's own records", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  await ask({ path: `/bigquery/v2/projects/${project}/queries`, body: '{"query":"SELECT 1"}' });
  for (const what of [[session], ["none"], []]) {
    const { status, stdout, stderr } = bqtape("verify", ...what, "--data-dir", dataDir);
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /untouched/);
  }
});

test("a tape has a whole session, not an exchange", limit, async (t) => {
  const { dataDir, project, ask } = await recording(t);
  await ask({ path: `/bigquery/v2/projects/${project}/queries`, body: '{"query":"SELECT 1"}' });
  const { stdout } = bqtape("statements", "--json", "--data-dir", dataDir);
  const [statement] = (JSON.parse(stdout) as { statements: { id: string }[] }).statements;
  const { status, stderr } = bqtape(
    ...["export", statement?.id ?? "", "--format", "tape", "--data-dir", dataDir],
  );
  assert.equal(status, 1);
  assert.match(stderr, /a tape has a whole session: name one/);
});
