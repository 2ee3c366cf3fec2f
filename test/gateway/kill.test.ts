import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { openSearch } from "../../src/archive/search.ts";
import { bqtape } from "../support/command.ts";
import { ask, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const KILLS = 20;
const AGENTS = 8;

/** Starts `bqtape serve`; resolves when it says that it is ready. */
async function serve(config: string): Promise<{ process: ChildProcess; port: number }> {
  const child = spawn(process.execPath, ["src/main.ts", "serve", "--config", config], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const entry = JSON.parse(line) as { msg?: string; proxy?: string };
    if (entry.msg === "ready") {
      child.stdout.resume();
      return { process: child, port: Number(entry.proxy?.split(":").at(-1)) };
    }
  }
  throw new Error("the gateway ended before it was ready");
}

test(`killed ${KILLS} times under load, the gateway has every request that reached upstream on record`, {
  timeout: 240_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const reached = new Set<string>();
  const upstream = await startUpstream(directory, (_request, response, body) => {
    const { query } = JSON.parse(body.toString()) as { query: string };
    reached.add(query);
    response.end(JSON.stringify({ kind: "bigquery#queryResponse", rows: [{ f: [{ v: "1" }] }] }));
  });
  t.after(() => upstream.close());
  const config = join(directory, "bqtape.json");
  const input = testConfig(directory, upstream);
  writeFileSync(config, JSON.stringify(input));

  let asked = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const gateway = await serve(config);
    t.after(() => gateway.process.kill("SIGKILL"));
    const ca = readFileSync(String(input.ca?.cert), "utf8");
    const target = { port: gateway.port, ca };
    let killed = false;
    const before = reached.size;
    const agents = Array.from({ length: AGENTS }, async () => {
      while (!killed) {
        asked += 1;
        const body = JSON.stringify({ query: `SELECT 'statement-${asked}'` });
        // Its answer is cut when the gateway is killed: what counts is what upstream has seen.
        await ask(target, { path: "/bigquery/v2/projects/p/queries", body, session: "load" }).catch(
          () => undefined,
        );
      }
    });
    // A random moment, counted in exchanges so that each run has some whatever the machine's speed.
    const moment = before + 1 + Math.floor(Math.random() * 60);
    while (reached.size < moment) await new Promise((resolve) => setImmediate(resolve));
    gateway.process.kill("SIGKILL");
    killed = true;
    await once(gateway.process, "exit");
    await Promise.all(agents);
  }

  const { search, freshness } = await openSearch(join(directory, "data"));
  assert.equal(freshness.live, false);
  const recorded = new Map([...search.exchanges("load")].map(({ sql, outcome }) => [sql, outcome]));
  search.close();
  const missing = [...reached].filter((sql) => !recorded.has(sql));
  assert.deepEqual(missing, []);
  assert.ok(reached.size >= KILLS);
  assert.deepEqual(new Set(recorded.values()), new Set(["complete", "incomplete"]));

  const listed = await bqtape(["sessions", "--config", config, "--json"]);
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, /"load"/);
  t.diagnostic(`${asked} asked, ${reached.size} reached upstream, ${recorded.size} recorded, 0 missing`);
});
