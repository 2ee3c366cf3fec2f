import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import {
  ask,
  connect,
  type GatewayUnderTest,
  gatewayUnderTest,
  proxyAuthorization,
  testConfig,
} from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const DATASETS = "/bigquery/v2/projects/p/datasets";

test("an exchange that takes longer than it may ends with 504, and it is not BigQuery that is blamed", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, () => undefined);
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream, { limits: { total: "300ms" } }));
  const answer = await ask({ port: gateway.proxy.port, ca: gateway.ca }, { path: DATASETS });
  assert.equal(answer.status, 504);
  assert.match(answer.body.toString(), /bqtape: this exchange took longer than the 300 ms that it may/);
  const [exchange] = await gateway.exchanges();
  assert.equal(exchange?.error?.code, "exchange.timeout");
});

test("an agent that takes nothing for too long is cut, and recorded as the one that was waited for", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const cut = Promise.withResolvers<void>();
  const upstream = await startUpstream(directory, (_request, response) => {
    response.on("close", () => cut.resolve());
    // More than sockets and limits hold between them.
    response.end(Buffer.alloc(64 * 1024 * 1024));
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(
    t,
    testConfig(directory, upstream, { limits: { agentIdle: "300ms" } }),
  );
  const { socket } = await connect(gateway.proxy.port, `${BIGQUERY_HOST}:443`);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: gateway.ca });
  await once(secure, "secureConnect");
  secure.write(`GET ${DATASETS} HTTP/1.1\r\nHost: ${BIGQUERY_HOST}\r\n\r\n`);
  await once(secure, "readable");
  await cut.promise;
  const [exchange] = await gateway.exchanges();
  assert.equal(exchange?.outcome, "aborted");
  assert.equal(exchange?.error?.code, "agent.timeout");
  secure.destroy();
});

/** A query whose body says nothing of its length, as far as it is more than a small one; resolves with its socket. */
async function longQuery({ proxy, ca }: GatewayUnderTest, session: string) {
  const { socket } = await connect(proxy.port, `${BIGQUERY_HOST}:443`, proxyAuthorization(session));
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca });
  secure.on("error", () => secure.destroy());
  await once(secure, "secureConnect");
  const head = `POST /bigquery/v2/projects/p/queries HTTP/1.1\r\nHost: ${BIGQUERY_HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  secure.write(`${head}14000\r\n${" ".repeat(0x14000)}\r\n`);
  return secure;
}

test("a large request that only trickles is given up: it keeps room from others", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, () => undefined);
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(
    t,
    testConfig(directory, upstream, { limits: { requestIdle: "500ms" } }),
  );
  const secure = await longQuery(gateway, "slow");
  const trickle = setInterval(() => secure.write("1\r\n \r\n"), 50);
  t.after(() => clearInterval(trickle));
  const [answer] = await once(secure, "data");
  assert.match(String(answer), /^HTTP\/1\.1 400 /);
  const [exchange] = await gateway.exchanges();
  assert.equal(exchange?.error?.code, "request.timeout");
  secure.destroy();
});

test("one session's slow requests do not keep another's from being read", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  for (let at = 0; at < 7; at += 1) {
    const secure = await longQuery(gateway, "slow");
    t.after(() => secure.destroy());
  }
  const body = JSON.stringify({ query: `SELECT '${"x".repeat(100_000)}'`, useLegacySql: false });
  const answer = await ask(
    { port: gateway.proxy.port, ca: gateway.ca },
    { path: "/bigquery/v2/projects/p/queries", body, session: "other" },
  );
  assert.equal(answer.status, 200);
});
