import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, gatewayUnderTest, proxyAuthorization, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";
import { apiOf } from "./gateway.ts";
import { CLIENT_ID, startProvider } from "./provider.ts";

test("a provider rotates its keys under load, and not one request is refused", {
  timeout: 60_000,
}, async (t) => {
  const provider = await startProvider(t);
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(
    t,
    testConfig(directory, upstream, {
      identity: {
        oidc: { issuer: provider.issuer, audience: CLIENT_ID },
        session: { keyFile: `${directory}/certs/session.key` },
      },
    }),
  );
  const api = apiOf(gateway.control.port);
  const statuses = new Map<number, number>();
  const count = (status: number): void => void statuses.set(status, (statuses.get(status) ?? 0) + 1);
  let idToken = await provider.idToken();
  let running = true;
  const load = Array.from({ length: 6 }, async (_, at) => {
    while (running) {
      if (at === 0) count((await api("POST", "sessions", { token: idToken })).status);
      const { status, socket } = await connect(
        gateway.proxy.port,
        "bigquery.googleapis.com:443",
        proxyAuthorization(idToken),
      );
      socket.destroy();
      count(status);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  for (let round = 0; round < 4; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    provider.rotate();
    idToken = await provider.idToken();
  }
  await new Promise((resolve) => setTimeout(resolve, 250));
  running = false;
  await Promise.all(load);
  t.diagnostic(`answers by status: ${JSON.stringify([...statuses])}`);
  assert.deepEqual([...statuses.keys()].sort(), [200, 201]);
  const fetched = provider.requests.filter((request) => request === "GET /jwks").length;
  // The relay and the API each have keys of their own.
  assert.ok(fetched >= 5 && fetched <= 10, `${fetched} fetches`);
});
