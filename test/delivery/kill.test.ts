import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startCluster } from "../kafka/cluster.ts";
import { ask, testConfig } from "../support/gateway.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { startUpstream } from "../support/upstream.ts";
import { consumed } from "./consumed.ts";

/** By hand, `KILLS=50 node --test test/delivery/kill.test.ts` takes a minute and a half. */
const KILLS = Number(process.env.KILLS ?? 5);
const AGENTS = 8;

limitProcess(60_000 + KILLS * 6_000);

test(`killed ${KILLS} times while it delivers, a gateway loses nothing, and invents nothing`, {
  timeout: 40_000 + KILLS * 6_000,
}, async (t) => {
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const brokers = cluster.addresses();
  const directory = temporaryDirectory();
  /** What upstream received, and what it answered. */
  const answers = new Map<string, Buffer>();
  const upstream = await startUpstream(directory, (_request, response, body) => {
    const answer = randomBytes(1 + (answers.size % 5) * 40_000);
    answers.set(body.toString(), answer);
    response.end(answer);
  });
  t.after(() => upstream.close());
  const config = join(directory, "bqtape.json");
  const input = testConfig(directory, upstream, { archive: { enabled: false }, kafka: { brokers } });
  writeFileSync(config, JSON.stringify(input));

  /** Answers that agents had whole. */
  const received = new Set<string>();
  for (let kill = 0; kill < KILLS; kill += 1) {
    const gateway = await serve(t, config);
    const target = { port: gateway.port, ca: readFileSync(String(input.ca?.cert), "utf8") };
    let killed = false;
    let asked = 0;
    const before = answers.size;
    const agents = Array.from({ length: AGENTS }, async (_, agent) => {
      while (!killed) {
        asked += 1;
        const body = JSON.stringify({ query: `SELECT '${kill}-${agent}-${asked}'` });
        const answer = await ask(target, {
          path: "/bigquery/v2/projects/p/queries",
          body,
          session: "load",
        }).catch(() => undefined);
        if (answer?.status === 200) received.add(body);
      }
    });
    // A random moment, counted in exchanges so that each run has some whatever the machine's speed.
    const moment = before + 20 + Math.floor(Math.random() * 100);
    while (answers.size < moment) await new Promise((resolve) => setImmediate(resolve));
    killed = true;
    await gateway.stop("SIGKILL");
    await Promise.all(agents);
  }
  const last = await serve(t, config);
  assert.equal(await last.stop(), 0);

  const { bodies, duplicates } = await consumed(brokers);
  const delivered = new Map<string, Buffer>();
  for (const [name, { bytes, verdict }] of bodies) {
    const [exchange = "", direction] = name.split("/");
    assert.ok(verdict !== undefined && verdict.state !== "damaged", `${name}: ${JSON.stringify(verdict)}`);
    if (direction !== "request") continue;
    const statement = bytes.toString();
    const answer = bodies.get(`${exchange}/response`)?.bytes ?? Buffer.alloc(0);
    delivered.set(statement, answer);
    // Of an exchange that was cut short there is a beginning.
    const given = answers.get(statement)?.subarray(0, answer.length) ?? Buffer.alloc(0);
    assert.ok(given.equals(answer), `${statement} was answered otherwise`);
  }
  const missing = [...answers.keys()].filter((statement) => !delivered.has(statement));
  assert.deepEqual(missing, []);
  const incomplete = [...received].filter(
    (statement) => delivered.get(statement)?.length !== answers.get(statement)?.length,
  );
  assert.deepEqual(incomplete, []);
  t.diagnostic(
    `${answers.size} reached upstream, ${received.size} had answers, ${duplicates} duplicate records`,
  );
});
