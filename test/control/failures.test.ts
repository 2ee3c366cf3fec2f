import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { identityGateway } from "../identity/gateway.ts";
import {
  ask,
  connect,
  type GatewayUnderTest,
  gatewayUnderTest,
  proxyAuthorization,
  testConfig,
} from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { closedPort, type Serve, startUpstream, writeServiceAccount } from "../support/upstream.ts";

const QUERY = { path: "/bigquery/v2/projects/p/queries", body: '{"query":"SELECT 1"}' };
const LIMIT = { timeout: 30_000 };

type Setting = Parameters<typeof testConfig>[2];

async function started(
  t: TestContext,
  serve: Serve,
  more: (directory: string) => Setting | Promise<Setting> = () => ({}),
): Promise<GatewayUnderTest> {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, serve);
  t.after(() => upstream.close());
  return await gatewayUnderTest(t, testConfig(directory, upstream, await more(directory)));
}

/** Causes of failures that are not 0, and how many there are of each. */
async function failuresOf({ control }: GatewayUnderTest): Promise<Record<string, number>> {
  const lines = (await metricsOf(control.port)).matchAll(
    /^bqtape_exchange_failures_total\{cause="(\w+)"\} (\d+)$/gm,
  );
  return Object.fromEntries(
    [...lines].map(([, cause, count]) => [cause, Number(count)]).filter(([, count]) => count !== 0),
  );
}

async function metricsOf(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

function query({ proxy, ca }: GatewayUnderTest): ReturnType<typeof ask> {
  return ask({ port: proxy.port, ca }, QUERY);
}

test(
  "each cause of failures is there before the first one, so that the first one shows as an increase",
  LIMIT,
  async (t) => {
    const gateway = await started(t, (_request, response) => response.end("{}"));
    await query(gateway);
    await gateway.exchanges();
    assert.deepEqual(await failuresOf(gateway), {});
    assert.match(
      await metricsOf(gateway.control.port),
      /^bqtape_exchange_failures_total\{cause="recording"\} 0$/m,
    );
  },
);

test("a server's error of BigQuery's is BigQuery's failure, not the gateway's", LIMIT, async (t) => {
  const gateway = await started(t, (_request, response) => response.writeHead(503).end("{}"));
  assert.equal((await query(gateway)).status, 503);
  await gateway.exchanges();
  assert.deepEqual(await failuresOf(gateway), { bigquery: 1 });
});

test("that there is no credential is the gateway's failure", LIMIT, async (t) => {
  const gateway = await started(
    t,
    (_request, response) => response.end("{}"),
    async (directory) => ({
      credential: {
        type: "service-account",
        keyFile: writeServiceAccount(directory, `http://127.0.0.1:${await closedPort()}/token`),
      },
    }),
  );
  assert.equal((await query(gateway)).status, 503);
  await gateway.exchanges();
  assert.deepEqual(await failuresOf(gateway), { credential: 1 });
});

test(
  "what a full journal turns away is counted, though nothing can record it: exchanges, and tunnels",
  LIMIT,
  async (t) => {
    const answer = randomBytes(300_000);
    const gateway = await started(
      t,
      (_request, response) => response.end(answer),
      // Nobody reads the journal, so nothing of it is let go.
      () => ({
        archive: { enabled: false },
        recording: { journal: { maxBytes: "1MiB" } },
        tunnel: { hosts: ["far.test"] },
      }),
    );
    let status = 200;
    for (let count = 0; count < 10 && status === 200; count += 1) {
      // The answer that fills it may have to wait for room.
      status = await Promise.race([
        query(gateway).then(
          (answered) => answered.status,
          () => 0,
        ),
        new Promise<number>((resolve) => setTimeout(resolve, 2_000, 200)),
      ]);
    }
    assert.equal(status, 503);
    assert.deepEqual(await failuresOf(gateway), { recording: 1 });
    const tunnel = await connect(gateway.proxy.port, "far.test:443", proxyAuthorization("agent"));
    assert.equal(tunnel.status, 503);
    assert.deepEqual(await failuresOf(gateway), { recording: 2 });
    const turnedAway = 'operation="none",effect="deny",outcome="denied",status="503"';
    assert.match(
      await metricsOf(gateway.control.port),
      new RegExp(`^bqtape_exchanges_total{${turnedAway}} 2$`, "m"),
    );
  },
);

test(
  "fetches of a provider's keys are counted, those for agents and those for who opens sessions",
  LIMIT,
  async (t) => {
    const { gateway, issuer, api } = await identityGateway(t, { identity: { loopback: true } });
    const fetches = async (result: string): Promise<number> => {
      const series = new RegExp(`^bqtape_jwks_fetches_total{issuer="[^"]*",result="${result}"} (\\d+)$`, "m");
      return Number(series.exec(await metricsOf(gateway.control.port))?.[1]);
    };
    const come = async (): Promise<number> => {
      const headers = { "proxy-authorization": `Bearer ${await issuer.token()}` };
      const { status, socket } = await connect(gateway.proxy.port, "bigquery.googleapis.com:443", headers);
      socket.destroy();
      return status;
    };
    issuer.away(true);
    assert.equal(await come(), 407);
    assert.equal(await fetches("ok"), 0);
    assert.ok((await fetches("failed")) > 0);
    issuer.away(false);
    assert.equal(await come(), 200);
    const ofRelay = await fetches("ok");
    assert.ok(ofRelay > 0);
    assert.equal((await api("POST", "sessions", { token: await issuer.token(), body: {} })).status, 201);
    assert.equal(await fetches("ok"), ofRelay + 1);
  },
);
