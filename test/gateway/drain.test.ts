import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { ask, connect, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const REQUEST = { path: "/bigquery/v2/projects" } as const;

/** An upstream that leaves its answers to the test. */
async function held(directory: string) {
  const answers: ServerResponse[] = [];
  const arrived: (() => void)[] = [];
  const upstream = await startUpstream(directory, (_request, response) => {
    answers.push(response);
    arrived.shift()?.();
  });
  return { upstream, answers, arrival: () => new Promise<void>((resolve) => arrived.push(resolve)) };
}

/** A gateway with an exchange that waits for its answer. */
async function underWay(t: TestContext) {
  const directory = temporaryDirectory();
  const { upstream, answers, arrival } = await held(directory);
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const arrived = arrival();
  const asked = ask({ port: gateway.proxy.port, ca: gateway.ca }, REQUEST);
  await arrived;
  return { gateway, answers, asked };
}

test("a drain lets an exchange finish, takes no new connection, and then ends", OPTIONS, async (t) => {
  const { gateway, answers, asked } = await underWay(t);
  const drained = gateway.drain();
  assert.equal((await connect(gateway.proxy.port, "bigquery.googleapis.com:443")).status, 503);
  answers[0]?.end('{"kind":"whole"}');
  assert.equal((await asked).body.toString(), '{"kind":"whole"}');
  await drained;
});

test("from its beginning a drain is told to who asks whether traffic is taken", OPTIONS, async (t) => {
  const { gateway, answers, asked } = await underWay(t);
  const drained = gateway.drain();
  const control = `http://127.0.0.1:${gateway.control.port}`;
  const readiness = await fetch(`${control}/readyz`);
  assert.equal(readiness.status, 503);
  assert.match(await readiness.text(), /"reason":"the gateway is stopping"/);
  assert.match(await (await fetch(`${control}/metrics`)).text(), /^bqtape_ready 0$/m);
  answers[0]?.end("{}");
  await asked;
  await drained;
});

test("a drain cuts what goes on for longer than its limit", OPTIONS, async (t) => {
  const directory = temporaryDirectory();
  const { upstream, arrival } = await held(directory);
  t.after(() => upstream.close());
  const config = testConfig(directory, upstream, { proxy: { listen: "127.0.0.1:0", drainTimeout: "100ms" } });
  const gateway = await gatewayUnderTest(t, config);
  const arrived = arrival();
  const asked = ask({ port: gateway.proxy.port, ca: gateway.ca }, REQUEST);
  asked.catch(() => undefined);
  await arrived;
  await gateway.drain();
  await assert.rejects(asked);
});

test("an agent's idle tunnel does not hold a drain up", OPTIONS, async (t) => {
  const directory = temporaryDirectory();
  const { upstream } = await held(directory);
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const { socket } = await connect(gateway.proxy.port, "bigquery.googleapis.com:443");
  const closed = once(socket, "close");
  await gateway.drain();
  await closed;
});
