import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { bqtape } from "../support/command.ts";
import { ask, connect } from "../support/gateway.ts";
import { type Served, serve } from "../support/serve.ts";
import { configured, recorded } from "./configured.ts";

const OPTIONS = { timeout: 60_000 } as const;
const REQUEST = { path: "/bigquery/v2/projects", session: "mine" } as const;
const TWO = { proxy: { listen: "127.0.0.1:0", workers: 2 } } as const;

/** The processes of a gateway's workers. */
function workersOf({ process: { pid } }: Served): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
}

/** Has a process stand still; one that does would outlive the test. */
function stop(t: TestContext, pid: number): void {
  process.kill(pid, "SIGSTOP");
  t.after(() => {
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // It has ended.
    }
  });
}

function killOneOf(gateway: Served): void {
  process.kill(workersOf(gateway)[0] ?? 0, "SIGKILL");
}

test("several workers share the listener, and all that they carry is on record", OPTIONS, async (t) => {
  const { directory, file, ca } = await configured(t, TWO);
  const gateway = await serve(t, file);
  const target = { port: gateway.port, ca: ca() };
  await Promise.all(Array.from({ length: 30 }, () => ask(target, REQUEST)));
  assert.equal((await fetch(`http://127.0.0.1:${gateway.controlPort}/readyz`)).status, 200);
  assert.equal(await gateway.stop(), 0);
  assert.equal(await recorded(directory), 30);
});

test("a worker that dies is replaced, and its successor takes over its journal", OPTIONS, async (t) => {
  const { directory, file, ca } = await configured(t, TWO);
  const gateway = await serve(t, file);
  const target = { port: gateway.port, ca: ca() };
  for (let index = 0; index < 4; index += 1) await ask(target, REQUEST);
  killOneOf(gateway);
  await gateway.logged("the worker was replaced");
  for (let index = 0; index < 4; index += 1) await ask(target, REQUEST);
  assert.equal(await gateway.stop(), 0);
  assert.equal(await recorded(directory), 8);
});

test("a worker that cannot start ends the gateway with its reason", OPTIONS, async (t) => {
  const { file, write } = await configured(t, TWO);
  write({ credential: { type: "service-account", keyFile: "/nonexistent.json" } });
  const ran = await bqtape(["serve", "--config", file]);
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /credential\.keyFile \/nonexistent\.json cannot be read/);
});

test("a reload while a worker is away is done, and its successor has what is new", OPTIONS, async (t) => {
  const { file, write } = await configured(t, TWO);
  const gateway = await serve(t, file);
  killOneOf(gateway);
  const replaced = gateway.logged("the worker was replaced");
  await gateway.logged("a worker ended; it is replaced");
  write({ ...TWO, tunnel: { hosts: ["127.0.0.1"] } });
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  await replaced;
  // Connections go to the workers in turn.
  for (let index = 0; index < 4; index += 1)
    assert.match((await connect(gateway.port, "127.0.0.1:443")).body, /not on the public Internet/);
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
});

test("a reload that a worker does not answer is over, and the next is done", OPTIONS, async (t) => {
  const { file, write } = await configured(t, TWO);
  const gateway = await serve(t, file);
  const [hung = 0] = workersOf(gateway);
  stop(t, hung);
  write({ ...TWO, tunnel: { hosts: ["127.0.0.1"] } });
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  process.kill(hung, "SIGCONT");
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  for (let index = 0; index < 4; index += 1)
    assert.match((await connect(gateway.port, "127.0.0.1:443")).body, /not on the public Internet/);
});

test("a port that is in use for a worker is no wrong configuration", OPTIONS, async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const { file } = await configured(t, { proxy: { listen: `127.0.0.1:${port}`, workers: 2 } });
  const ran = await bqtape(["serve", "--config", file]);
  assert.match(ran.stderr, /proxy\.listen .* the port is in use/);
  assert.equal(ran.code, 1);
});

test("who takes a worker's place begins with what is in force, not with what waits", OPTIONS, async (t) => {
  const { directory, file, write, ca } = await configured(t, TWO);
  const gateway = await serve(t, file);
  const elsewhere = join(directory, "elsewhere");
  write({ ...TWO, dataDir: elsewhere, limits: { total: "1h" }, tunnel: { hosts: ["127.0.0.1"] } });
  gateway.process.kill("SIGHUP");
  const { keys } = await gateway.logged("these keys take effect at the next start");
  assert.deepEqual(keys, ["dataDir", "limits"]);
  await gateway.logged("reloaded the configuration");
  killOneOf(gateway);
  await gateway.logged("the worker was replaced");
  for (let index = 0; index < 4; index += 1) await ask({ port: gateway.port, ca: ca() }, REQUEST);
  assert.equal(await gateway.stop(), 0);
  assert.equal(await recorded(directory), 4);
  assert.equal(existsSync(elsewhere), false);
});

test("a worker that says nothing any more is not ready, and is replaced", { timeout: 120_000 }, async (t) => {
  const { file, ca } = await configured(t, TWO);
  const gateway = await serve(t, file);
  const readiness = async (): Promise<string> =>
    await (await fetch(`http://127.0.0.1:${gateway.controlPort}/readyz`)).text();
  stop(t, workersOf(gateway)[0] ?? 0);
  const { worker } = await gateway.logged("a worker says nothing any more");
  assert.match(await readiness(), new RegExp(`"reason":"worker ${worker}: silent"`));
  await gateway.logged("a worker that says nothing any more is killed");
  await gateway.logged("the worker was replaced");
  assert.match(await readiness(), /"status":"ok"/);
  for (let index = 0; index < 4; index += 1) await ask({ port: gateway.port, ca: ca() }, REQUEST);
});
