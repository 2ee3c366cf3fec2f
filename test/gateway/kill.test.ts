import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSearch } from "../../src/archive/search.ts";
import { bqtape } from "../support/command.ts";
import { ask, testConfig } from "../support/gateway.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const KILLS = 20;
const AGENTS = 8;

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
    const gateway = await serve(t, config);
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
    killed = true;
    await gateway.stop("SIGKILL");
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
