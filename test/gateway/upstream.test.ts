import assert from "node:assert/strict";
import { mock, test } from "node:test";
import tls, { rootCertificates } from "node:tls";
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
