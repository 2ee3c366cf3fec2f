import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../support/temporary.ts";
import { startSite } from "./site.ts";

/*
 * A workload runs an agent by the token that its platform keeps fresh in a file.
 */

const OPTIONS = { timeout: 90_000 } as const;
const UP = [
  "--",
  process.execPath,
  "-e",
  "process.stdin.resume(); process.stdin.on('end', () => process.exit()); console.log('up')",
];

test("a run goes on by the file's next token, and ends its renewals without one", OPTIONS, async (t) => {
  const site = await startSite(t, { session: { renewal: "3s" } });
  const file = join(temporaryDirectory(), "token");
  const project = async (lifetime: number, groups: string[]): Promise<void> => {
    const now = Math.floor(Date.now() / 1000);
    const { issuer: iss } = site.provider;
    const sub = "system:serviceaccount:agents:reporter";
    const token = await site.provider.sign({
      iss,
      sub,
      aud: ["bqtape"],
      iat: now,
      exp: now + lifetime,
      groups,
    });
    writeFileSync(file, `${token}\n`);
  };
  await project(600, ["first"]);
  const program = site.start(["run", "--id-token-file", file, "--agent", "reporter", ...UP]);
  await program.said(/up/);
  await project(600, ["second"]);
  const list = ["session", "list", "--all", "--json"];
  const groups = async (): Promise<string[]> =>
    JSON.parse(await site.run(list, { BQTAPE_ID_TOKEN_FILE: file })).sessions[0].groups;
  while ((await groups())[0] !== "second");
  writeFileSync(file, "");
  await program.said(/session o-\S+ cannot be renewed yet, and is tried again: \S+ holds no token/);
  program.process.stdin?.end();
  assert.equal(await program.end(), 0);
  const { sessions } = await site.audit(["sessions"]);
  const { user, agent } = sessions[0];
  assert.deepEqual({ user, agent }, { user: "system:serviceaccount:agents:reporter", agent: "reporter" });
});

test("a file that has no token is named, and its content is not", OPTIONS, async (t) => {
  const site = await startSite(t);
  const file = join(temporaryDirectory(), "token");
  for (const text of ["", "hunter2", "a.b", "a.b.c.d", "a.b.c\nd.e.f", `${"a".repeat(70_000)}.b.c`]) {
    writeFileSync(file, text);
    const program = site.start(["session", "list", "--id-token-file", file]);
    assert.equal(await program.end(), 1);
    assert.match(program.stderr, /token holds no token: it takes one JWT/);
    assert.doesNotMatch(program.stderr, /hunter2/);
  }
  const absent = site.start(["session", "list", "--id-token-file", `${file}-not`]);
  assert.equal(await absent.end(), 1);
  assert.match(absent.stderr, /the token file cannot be read: ENOENT/);
});
