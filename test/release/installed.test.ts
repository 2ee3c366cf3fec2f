import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ReportedExchange } from "../../src/demo/report.ts";
import { absent } from "../clients/support/parts.ts";
import { type Ran, runProgram } from "../support/command.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Installed, install, pack } from "./package.ts";
import { manifest, TREE } from "./tree.ts";

interface CommandLine {
  /** @param config a gateway's configuration file. */
  args(config: string): readonly string[];
  /** Looks at its standard output. */
  prints(stdout: string): void;
}

/** What npm says where it does not reach its registry: packages are installed in the versions of the day, which it asks for. */
const OFFLINE = /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT)\b/;

/** Commands that have to work as they are installed. */
const COMMANDS: readonly CommandLine[] = [
  {
    args: () => ["--version"],
    prints: (stdout) => assert.equal(stdout, `${manifest().version}\n`),
  },
  {
    args: () => ["demo", "--once", "--json"],
    prints(stdout) {
      const { exchanges } = JSON.parse(stdout) as { exchanges: readonly ReportedExchange[] };
      assert.equal(exchanges.length, 13);
      for (const { client, requestSha256, responseSha256 } of exchanges)
        assert.deepEqual(client, { requestSha256, responseSha256 });
    },
  },
  {
    args: (config) => ["doctor", "--config", config, "--only", "config,certificates,disk", "--json"],
    prints: (stdout) => assert.equal((JSON.parse(stdout) as { ok: boolean }).ok, true),
  },
];

test("the package, installed globally where nothing of the tree is", { timeout: 300_000 }, async (t) => {
  const archive = await pack();
  const installed = await install(archive).catch((error: Error) => {
    if (!OFFLINE.test(error.message)) throw error;
    return absent(t, error.message);
  });
  if (installed === undefined) return;
  const files = readdirSync(installed.directory, { recursive: true, encoding: "utf8" }).filter(
    (file) => !file.startsWith("node_modules"),
  );

  await t.test("has the program compiled, and no sources, tests or tools", () => {
    const typeScript = files.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));
    assert.deepEqual(typeScript, []);
    const folders = new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]));
    assert.deepEqual([...folders].sort(), ["deploy", "dist", "docs"]);
  });

  await t.test("has what the README sends its readers to, and the licence where the tree has it", () => {
    const readme = readFileSync(join(TREE, "README.md"), "utf8");
    const linked = [...readme.matchAll(/\]\(((?:deploy|docs)\/[^)#]+)/g)].map(([, file]) => file ?? "");
    assert.notEqual(linked.length, 0);
    const papers = readdirSync(TREE).filter((file) => /^(README|CHANGELOG|SECURITY|LICENSE)/.test(file));
    for (const file of [...linked, ...papers]) assert.ok(files.includes(file), file);
  });

  await t.test("imports its dependencies, all of them, and no other package", () => {
    const code = files.filter((file) => /^dist\/.*\.js$/.test(file));
    const imported = new Set(code.flatMap((file) => packagesOf(join(installed.directory, file))));
    assert.deepEqual([...imported].sort(), Object.keys(manifest().dependencies).sort());
  });

  const config = configuration();
  for (const { args, prints } of COMMANDS) {
    const given = args(config);
    await t.test(`runs bqtape ${given.join(" ")}`, async () => {
      const ran = await run(installed, given);
      assert.equal(ran.code, 0, ran.stderr);
      prints(ran.stdout);
    });
  }

  await t.test("runs bqtape serve, which is ready and ends in order", async (t) => {
    const gateway = await serve(t, config, {}, installed);
    const ready = await fetch(`http://127.0.0.1:${gateway.controlPort}/readyz`);
    assert.equal(ready.status, 200);
    assert.equal(await gateway.stop("SIGTERM"), 0);
  });

  await t.test("has types that a strict program compiles with, and that find its mistakes", () => {
    const right =
      'import { readRecord } from "bqtape";\nconst message = readRecord({ key: "", value: "", headers: {} });\n';
    assert.equal(compile(installed, `${right}export const kind: "event" | "body" = message.kind;\n`), "");
    assert.match(
      compile(installed, `${right}export const kind: number = message.kind;\n`),
      /TS2322: Type 'string' is not assignable to type 'number'/,
    );
  });

  await t.test("says on a Node that is too old which one it needs, and nothing else", async (t) => {
    const old = olderNode(t);
    if (old === undefined) return;
    const ran = await runProgram(
      { command: old, args: [join(installed.directory, "dist/bin.js")], env: installed.env },
      ["--version"],
    );
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /^bqtape: needs Node\.js 24\.5 or later, and \S+ is [\d.]+\. Install .*\n$/);
    assert.equal(ran.stdout, "");
  });
});

/** A gateway's configuration file, with all that it names beside it. */
function configuration(): string {
  const directory = temporaryDirectory();
  const file = join(directory, "bqtape.yaml");
  writeFileSync(join(directory, "token"), "a-token");
  const config = {
    proxy: { listen: "127.0.0.1:0" },
    control: { listen: "127.0.0.1:0" },
    ca: { cert: "ca.pem", key: "ca.key" },
    identity: { loopback: true },
    credential: { type: "access-token-file", file: "token" },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

function run(installed: Installed, args: readonly string[]): Promise<Ran> {
  return runProgram(installed, args, 120_000);
}

/** Packages that a compiled file imports, at once or when it needs them. */
function packagesOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const specifiers = [...text.matchAll(/(?:\bfrom |^import |\bimport\(|\brequire\()"([^".][^"]*)"/gm)];
  return specifiers
    .map(([, specifier]) => specifier ?? "")
    .filter((specifier) => !isBuiltin(specifier))
    .map((specifier) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/"));
}

/** Compiles a program that depends on the installed package; answers what the compiler complains of. */
function compile(installed: Installed, source: string): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(installed.directory, join(directory, "node_modules", manifest().name));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  writeFileSync(join(directory, "program.ts"), source);
  const types = ["--typeRoots", join(TREE, "node_modules/@types"), "--types", "node"];
  const { stdout } = spawnSync(
    join(TREE, "node_modules/.bin/tsc"),
    ["--noEmit", "--strict", "--target", "es2024", "--module", "nodenext", ...types, "program.ts"],
    { cwd: directory, encoding: "utf8" },
  );
  return stdout;
}

/** A Node of the machine's own that is older than bqtape needs; the test is skipped where there is none. */
function olderNode(t: TestContext): string | undefined {
  const needed = Number.parseInt(manifest().engines.node.replace(/\D+/, ""), 10);
  const old = (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, "node"))
    .find((node) => {
      const { error, stdout } = spawnSync(node, ["--version"], { encoding: "utf8" });
      return error === undefined && Number.parseInt(stdout.slice(1), 10) < needed;
    });
  if (old === undefined) t.skip("the machine has no older Node");
  return old;
}
