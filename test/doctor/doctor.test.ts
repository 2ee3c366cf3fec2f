import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CHECKS } from "../../src/doctor/checks.ts";
import { CHECK_NAMES } from "../../src/doctor/names.ts";
import { partFor } from "../clients/support/parts.ts";
import { start } from "../identity/client/program.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { inTerminal } from "../support/terminal.ts";
import { limitProcess } from "../support/time-limit.ts";
import { beforeSandbox, configFile } from "./support.ts";

limitProcess(120_000);

const limit = { timeout: 40_000 };

/** What an operator's shell does not have; a home without anything in it. */
const PLAIN = Object.fromEntries([
  ...["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"].map((name) => [
    name,
    undefined,
  ]),
  ...["GOOGLE_APPLICATION_CREDENTIALS", "NODE_EXTRA_CA_CERTS"].map((name) => [name, undefined]),
  ["HOME", temporaryDirectory()],
]);

test(
  "before the first start everything is looked at, nothing fails and nothing is made",
  limit,
  async (t) => {
    const { config, directory } = await beforeSandbox(t);
    const file = config();
    const before = readdirSync(directory);
    const program = start(t, ["doctor", "--config", file], { env: PLAIN });
    assert.equal(await program.end(), 0, program.stdout + program.stderr);
    const heads = program.stdout.split("\n").filter((line) => /^[a-z]+$/.test(line));
    assert.deepEqual(heads, [...CHECK_NAMES]);
    assert.match(program.stdout, /^\d+ ok, \d+ warnings\.$/m);
    assert.ok(!program.stdout.includes("\u001b"));
    assert.equal(program.stderr, "");
    assert.deepEqual(readdirSync(directory), before);
  },
);

test("--json prints one object, and no secret", limit, async (t) => {
  const { config, sandbox } = await beforeSandbox(t);
  const program = start(t, ["doctor", "--config", config(), "--json"], { env: PLAIN });
  assert.equal(await program.end(), 0, program.stdout + program.stderr);
  const { ok, checks, ...rest } = JSON.parse(program.stdout);
  assert.deepEqual([ok, rest], [true, {}]);
  assert.deepEqual(
    new Set(checks.map(({ name }: { name: string }) => name.split(".")[0])),
    new Set(CHECK_NAMES),
  );
  for (const { name, status, summary, detail = "", fix, milliseconds, ...more } of checks) {
    assert.deepEqual(
      [typeof name, typeof summary, typeof detail, typeof milliseconds, more],
      ["string", "string", "string", "number", {}],
    );
    assert.equal(typeof fix, status === "ok" ? "undefined" : "string");
  }
  const { private_key } = JSON.parse(readFileSync(sandbox.keyFile, "utf8"));
  assert.ok(!program.stdout.includes(private_key.split("\n")[1]));
});

test("exit codes: 1 when something fails, 2 when the command is wrong", limit, async (t) => {
  const broken = configFile(temporaryDirectory(), { bananas: 1 });
  const failing = start(t, ["doctor", "--config", broken, "--json"], { env: PLAIN });
  assert.equal(await failing.end(), 1);
  assert.equal(JSON.parse(failing.stdout).ok, false);
  const wrong = start(t, ["doctor", "--only", "kafka,bananas"], { env: PLAIN });
  assert.equal(await wrong.end(), 2);
  assert.match(wrong.stderr, /no check "bananas"; there are config, certificates/);
});

test("a terminal gets colours, and meanwhile which checks still run", limit, async (t) => {
  const python = partFor(t, "python");
  if (python === undefined) return;
  const { config } = await beforeSandbox(t);
  const args = ["doctor", "--config", config(), "--only", "disk,dns"];
  const { shown, status } = await inTerminal(python, args, [], 100);
  assert.equal(status, 0, shown);
  assert.match(shown, /looking at dns, disk …/);
  assert.ok(shown.includes("\u001b[32mok  \u001b[39m"), shown);
  // The progress is gone when what was found is printed.
  const last = shown.slice(shown.lastIndexOf("looking at"));
  assert.ok(last.includes("\r\u001b[K"), last);
});

test("--only runs what it names, in the usual order", limit, async (t) => {
  const { config } = await beforeSandbox(t);
  const program = start(t, ["doctor", "--config", config(), "--only", "disk, dns"], { env: PLAIN });
  assert.equal(await program.end(), 0);
  assert.deepEqual(program.stdout.match(/^[a-z]+$/gm), ["dns", "disk"]);
});

test("what is told is what docs/doctor.md has, part by part", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/doctor.md"), "utf8");
  const described = [...page.matchAll(/^\| `([a-z]+\.[a-z-]+)` \|/gm)].map(([, name]) => name).sort();
  const known = CHECKS.flatMap(({ name, parts }) => parts.map((part) => `${name}.${part}`)).sort();
  assert.deepEqual(described, known);
  assert.deepEqual(
    [...page.matchAll(/^## (\w+)$/gm)].map(([, name]) => name),
    [...CHECK_NAMES],
  );
});
