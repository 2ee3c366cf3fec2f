import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const SOURCE = new URL("../../src/", import.meta.url);

/** Packages that take long to load, and much memory in each thread that does. */
const HEAVY = ["@platformatic/kafka", "kafkajs", "@google-cloud/bigquery", "@duckdb/node-api", "fastify"];

/** Which of these packages a module brings along, whether it uses them or not. */
async function heavyIn(module: string): Promise<string[]> {
  const hook = `import { registerHooks } from "node:module";
    import { writeSync } from "node:fs";
    registerHooks({ load(url, context, next) { writeSync(1, url + "\\n"); return next(url, context); } });`;
  // Whether it runs without its thread or its gateway does not matter.
  const { stdout } = await run(
    process.execPath,
    [`--import=data:text/javascript,${encodeURIComponent(hook)}`, new URL(module, SOURCE).pathname],
    { timeout: 30_000 },
  ).catch((error: { stdout: string }) => error);
  assert.match(stdout, new RegExp(`/src/${module}\n`));
  return HEAVY.filter((name) => stdout.includes(`/node_modules/${name}/`));
}

test("a gateway loads Kafka's clients only where there is Kafka", { timeout: 40_000 }, async () => {
  assert.deepEqual(await heavyIn("commands/start-gateway.ts"), ["fastify"]);
});

for (const module of [
  "archive/worker.ts",
  "commands/replay.ts",
  "commands/verify.ts",
  "commands/forget.ts",
]) {
  test(`${module} loads nothing that it has no use for`, { timeout: 40_000 }, async () => {
    assert.deepEqual(await heavyIn(module), []);
  });
}
