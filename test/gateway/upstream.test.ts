import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { mock, type TestContext, test } from "node:test";
import tls, { createSecureContext, rootCertificates } from "node:tls";
import { configSchema } from "../../src/config/schema.ts";
import { ByteBudget } from "../../src/gateway/byte-budget.ts";
import { Upstream } from "../../src/gateway/upstream.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

/*
 * Agents that break requests off make the gateway connect upstream again and again. With upstream.caFile each of these
 * connections parsed all root certificates: 3 ms, and 0.8 MiB outside of V8's heap, of which a minute's fuzzing left 440 MiB.
 */
test("a connection upstream does not parse the root certificates anew", { timeout: 30_000 }, async (t) => {
  const directory = temporaryDirectory();
  let connections = 0;
  const upstream = await startUpstream(directory, (_request, response) => {
    connections += 1;
    response.setHeader("connection", "close");
    response.end("{}");
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const made = mock.method(tls, "createSecureContext");
  t.after(() => made.mock.restore());
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  for (let time = 0; time < 3; time += 1)
    assert.equal((await ask(target, { path: "/bigquery/v2/projects" })).status, 200);
  assert.equal(connections, 3);
  const parsing = made.mock.calls.filter(({ arguments: [options] }) =>
    options?.ca?.includes(rootCertificates[0] ?? ""),
  );
  assert.equal(parsing.length, 0);
});

/** Servers that keep connections for long, each BigQuery at a host of its own, and an upstream that keeps two of them. */
async function regions(t: TestContext, serve: readonly RequestListener[]) {
  const overrides: Record<string, string> = {};
  const servers = serve.map((listener) => createServer({ keepAliveTimeout: 600_000 }, listener));
  for (const [at, server] of servers.entries()) {
    t.after(() => server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    overrides[`region${at}`] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const { limits } = configSchema.parse({ credential: { type: "application-default" } });
  const upstream = new Upstream({ overrides, trust: createSecureContext(), limits, maxOrigins: 2 });
  t.after(() => upstream.close());
  const bounds = { bytes: limits.exchangeBytes, budget: new ByteBudget(limits.totalBytes) };
  const request = {
    method: "GET",
    target: "/",
    headers: [],
    body: Buffer.alloc(0),
    more: false,
    grpc: false,
  };
  return { servers, ask: (at: number) => upstream.send(`region${at}`, 443, request, bounds) };
}

test("of origins that are asked for, those used last are kept: an agent may name hosts at will", {
  timeout: 30_000,
}, async (t) => {
  const serve: RequestListener = (_request, response) => void response.end("{}");
  const { servers, ask } = await regions(t, [serve, serve, serve]);
  const closed = servers.map((server) =>
    once(server, "connection").then(([socket]) => once(socket, "close")),
  );
  for (const at of [0, 1, 0, 2]) {
    const answer = ask(at);
    assert.equal((await answer.head()).status, 200);
    while (!(await answer.next()).last);
  }
  await closed[1];
  assert.deepEqual(
    await Promise.all(
      servers.map((server) => new Promise((resolve) => server.getConnections((_, n) => resolve(n)))),
    ),
    [1, 0, 1],
  );
});

test("an origin that gives way answers first what it was asked", { timeout: 30_000 }, async (t) => {
  const held = Promise.withResolvers<void>();
  const serve: RequestListener = (_request, response) => void response.end("{}");
  const { ask } = await regions(t, [
    (_request, response) => void held.promise.then(() => response.end("late")),
    serve,
    serve,
  ]);
  const late = ask(0);
  for (const at of [1, 2]) await ask(at).head();
  held.resolve();
  assert.equal((await late.head()).status, 200);
});
