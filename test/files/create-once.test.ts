import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { createOnce } from "../../src/files/create-once.ts";
import { temporaryDirectory } from "../support/temporary.ts";

function secretPath(): string {
  return join(temporaryDirectory(), "keys", "secret");
}

test("of processes that make one file at once, one makes it, whole and for its owner's eyes only", {
  timeout: 20_000,
}, async (t) => {
  const path = secretPath();
  const processes = Array.from({ length: 2 }, () =>
    fork(join(import.meta.dirname, "create-once.fixture.ts"), [path]),
  );
  t.after(() => processes.map((child) => child.kill("SIGKILL")));
  await Promise.all(processes.map((child) => once(child, "message")));
  const said = await Promise.all(
    processes.map(async (child) => {
      child.send("go");
      const [made] = await once(child, "message");
      return { made, content: `process ${child.pid}` };
    }),
  );
  assert.deepEqual(
    said.filter(({ made }) => made).map(({ content }) => content),
    [readFileSync(path, "utf8")],
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(path)).mode & 0o077, 0);
  assert.deepEqual(readdirSync(dirname(path)), ["secret"]);
});

test("a file that is there is left as it is", async () => {
  const path = secretPath();
  assert.equal(await createOnce(path, "first"), true);
  assert.equal(await createOnce(path, "second"), false);
  assert.equal(readFileSync(path, "utf8"), "first");
});

test("the mode is the one that was asked for, whatever the umask", async (t) => {
  const path = secretPath();
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  await createOnce(path, "for all to read", 0o644);
  assert.equal(statSync(path).mode & 0o777, 0o644);
});

test("where it cannot be made, nothing is left behind", async () => {
  const directory = temporaryDirectory();
  const file = join(directory, "file");
  writeFileSync(file, "no directory");
  await assert.rejects(createOnce(join(file, "keys", "secret"), "content"), { code: "ENOTDIR" });
  assert.deepEqual(readdirSync(directory), ["file"]);
});
