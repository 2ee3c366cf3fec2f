import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ask, testConfig } from "../support/gateway.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 60_000 } as const;

/** A gateway of two workers that have carried six exchanges, over a connection each. */
async function twoWorkers(t: TestContext) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const config = testConfig(directory, upstream, { proxy: { listen: "127.0.0.1:0", workers: 2 } });
  const file = join(directory, "bqtape.json");
  writeFileSync(file, JSON.stringify(config));
  const gateway = await serve(t, file);
  const metrics = async (): Promise<string> =>
    await (await fetch(`http://127.0.0.1:${gateway.controlPort}/metrics`)).text();
  const target = { port: gateway.port, ca: readFileSync(String(config.ca?.cert), "utf8") };
  for (let count = 0; count < 6; count += 1) await ask(target, { path: "/bigquery/v2/projects/p/datasets" });
  assert.equal(handshakesIn(await metrics()), 6);
  const { pid } = gateway.process;
  const [worker] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
  return { gateway, metrics, worker: Number(worker) };
}

test("a worker that dies takes nothing out of the sums, and is counted", OPTIONS, async (t) => {
  const { gateway, metrics, worker } = await twoWorkers(t);
  process.kill(worker, "SIGKILL");
  await gateway.logged("the worker was replaced");
  const after = await metrics();
  assert.equal(handshakesIn(after), 6);
  assert.match(after, /^bqtape_worker_restarts_total 1$/m);
  assert.equal(await gateway.stop(), 0);
});

test(
  "a worker that stands still holds no scrape up, and takes nothing out of the sums",
  OPTIONS,
  async (t) => {
    const { metrics, worker } = await twoWorkers(t);
    process.kill(worker, "SIGSTOP");
    t.after(() => process.kill(worker, "SIGCONT"));
    assert.equal(handshakesIn(await metrics()), 6);
  },
);

function handshakesIn(text: string): number {
  return Number(/^bqtape_tls_handshakes_total\{result="ok",protocol="none"\} (\d+)$/m.exec(text)?.[1]);
}
