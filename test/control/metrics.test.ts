import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fastify from "fastify";
import { journalDirectory } from "../../src/config/paths.ts";
import { metricsRoute } from "../../src/control/metrics-route.ts";
import { answerErrors } from "../../src/control/session-routes.ts";
import { storeCheckpoint } from "../../src/delivery/checkpoint.ts";
import { startingAt } from "../../src/delivery/records/writer.ts";
import { listSegments } from "../../src/recording/segments.ts";
import {
  ask,
  connect,
  type GatewayUnderTest,
  gatewayUnderTest,
  proxyAuthorization,
  testConfig,
} from "../support/gateway.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const QUERY = { path: "/bigquery/v2/projects/p/queries", body: JSON.stringify({ query: "SELECT 1" }) };
const LIMIT = { timeout: 30_000 };

async function started(
  t: TestContext,
  more: Parameters<typeof testConfig>[2] = {},
): Promise<GatewayUnderTest> {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  return await gatewayUnderTest(t, testConfig(directory, upstream, more));
}

async function metricsOf(port: number, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers });
  assert.equal(response.status, 200);
  return await response.text();
}

/** The value of one series. */
function seriesIn(text: string, series: string): number {
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  assert.ok(line, `there is no ${series}`);
  return Number(line.slice(series.length + 1));
}

test(
  "an exchange is seen in the metrics: by operation and status, its bytes, and what the gateway added",
  LIMIT,
  async (t) => {
    const gateway = await started(t);
    await ask({ port: gateway.proxy.port, ca: gateway.ca }, QUERY);
    await gateway.exchanges();
    const text = await metricsOf(gateway.control.port);
    const labels = 'operation="jobs.query",effect="allow",outcome="complete",status="200"';
    assert.equal(seriesIn(text, `bqtape_exchanges_total{${labels}}`), 1);
    assert.equal(seriesIn(text, 'bqtape_body_bytes_total{direction="request"}'), QUERY.body.length);
    assert.equal(seriesIn(text, "bqtape_exchange_added_latency_seconds_count"), 1);
    assert.equal(seriesIn(text, 'bqtape_tls_handshakes_total{result="ok",protocol="none"}'), 1);
    assert.equal(seriesIn(text, "bqtape_unrecorded_total"), 0);
    assert.equal(seriesIn(text, 'bqtape_journal_open{journal="0"}'), 1);
    assert.equal(seriesIn(text, "bqtape_ready"), 1);
  },
);

test(
  "what the gateway adds is less than the exchange took, by the time that BigQuery took",
  LIMIT,
  async (t) => {
    const directory = temporaryDirectory();
    const took = 300;
    const upstream = await startUpstream(directory, (_request, response) => {
      setTimeout(() => response.end("{}"), took);
    });
    t.after(() => upstream.close());
    const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
    await ask({ port: gateway.proxy.port, ca: gateway.ca }, QUERY);
    await gateway.exchanges();
    const text = await metricsOf(gateway.control.port);
    const total = seriesIn(text, "bqtape_exchange_duration_seconds_sum");
    const added = seriesIn(text, "bqtape_exchange_added_latency_seconds_sum");
    assert.ok(total - added >= (took - 1) / 1_000, `${added} of ${total}`);
  },
);

test("who is not known is counted by why", LIMIT, async (t) => {
  const gateway = await started(t);
  const authorization = proxyAuthorization("no name: it has spaces");
  const { status } = await connect(gateway.proxy.port, "bigquery.googleapis.com:443", authorization);
  assert.equal(status, 407);
  const text = await metricsOf(gateway.control.port);
  const refused = text.split("\n").filter((line) => line.startsWith("bqtape_identities_refused_total{"));
  assert.equal(refused.length, 1);
  assert.match(refused[0] ?? "", /reason="[a-z-]+"\} 1$/);
});

test("an exchange that runs is in flight", LIMIT, async (t) => {
  const directory = temporaryDirectory();
  const arrived = Promise.withResolvers<() => void>();
  const upstream = await startUpstream(directory, (_request, response) =>
    arrived.resolve(() => response.end("{}")),
  );
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const asked = ask({ port: gateway.proxy.port, ca: gateway.ca }, QUERY);
  const answer = await arrived.promise;
  const text = await metricsOf(gateway.control.port);
  assert.equal(seriesIn(text, "bqtape_exchanges_in_flight"), 1);
  assert.equal(seriesIn(text, "bqtape_connections_open"), 1);
  assert.equal(seriesIn(text, "bqtape_sessions_active"), 1);
  answer();
  await asked;
});

test("the metrics of all workers are one text", { timeout: 60_000 }, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const file = join(directory, "bqtape.yaml");
  const config = testConfig(directory, upstream, { proxy: { listen: "127.0.0.1:0", workers: 2 } });
  writeFileSync(file, JSON.stringify(config));
  const gateway = await serve(t, file);
  const text = await metricsOf(gateway.controlPort);
  assert.equal(seriesIn(text, 'bqtape_workers{state="open"}'), 2);
  for (const journal of ["0", "1"])
    assert.ok(seriesIn(text, `bqtape_journal_bytes{journal="${journal}"}`) > 0);
  assert.equal(text.match(/^# TYPE bqtape_exchanges_total /gm)?.length, 1);
  assert.equal(await gateway.stop(), 0);
});

test(
  "how full the disk is stands in the metrics, and the archive's size where there is one",
  LIMIT,
  async (t) => {
    const gateway = await started(t);
    const text = await metricsOf(gateway.control.port);
    assert.ok(seriesIn(text, "bqtape_data_free_bytes") > 0);
    assert.ok(seriesIn(text, "bqtape_archive_bytes") > 0);
  },
);

test("without an archive there is no size of one", LIMIT, async (t) => {
  const gateway = await started(t, { archive: { enabled: false } });
  assert.doesNotMatch(await metricsOf(gateway.control.port), /bqtape_archive_bytes/);
});

test(
  "a disk that is gone leaves its number out of the metrics, which are told all the same",
  LIMIT,
  async (t) => {
    const directory = temporaryDirectory();
    const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
    t.after(() => upstream.close());
    const dataDir = join(directory, "data");
    const gateway = await gatewayUnderTest(
      t,
      testConfig(directory, upstream, { dataDir, archive: { enabled: false } }),
    );
    renameSync(dataDir, join(directory, "elsewhere"));
    const text = await metricsOf(gateway.control.port);
    renameSync(join(directory, "elsewhere"), dataDir);
    assert.doesNotMatch(text, /^bqtape_data_free_bytes/m);
    assert.equal(seriesIn(text, "bqtape_ready"), 1);
  },
);

/** What the metrics need of a gateway whose Kafka is away, and that has run before. */
async function withoutKafka(t: TestContext) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  // Nobody listens there.
  const kafka = { brokers: ["127.0.0.1:9"] };
  const config = testConfig(directory, upstream, { kafka, archive: { enabled: false } });
  const { close, dataDir } = await gatewayUnderTest(t, config);
  await close();
  return { config, dataDir };
}

test("what Kafka has taken before a restart is no lag while Kafka is away", LIMIT, async (t) => {
  const { config, dataDir } = await withoutKafka(t);
  const [segment] = listSegments(journalDirectory(dataDir, "0"));
  const end = segment?.end ?? 0;
  const partitions = { events: 1, bodies: 1 };
  storeCheckpoint(dataDir, "0", { version: 1, partitions, settled: true, writer: startingAt(end) });
  const text = await metricsOf((await gatewayUnderTest(t, config)).control.port);
  const appended = seriesIn(text, 'bqtape_journal_appended_bytes_total{journal="0"}');
  assert.equal(seriesIn(text, 'bqtape_journal_lag_bytes{journal="0",reader="delivery"}'), appended - end);
});

test("what Kafka has not taken is no younger for a restart", LIMIT, async (t) => {
  const { config } = await withoutKafka(t);
  const recorded = Date.now();
  const gateway = await gatewayUnderTest(t, config);
  const age = (Date.now() - recorded) / 1_000;
  const text = await metricsOf(gateway.control.port);
  assert.ok(seriesIn(text, 'bqtape_journal_lag_seconds{journal="0",reader="delivery"}') >= age);
});

test("with a token, metrics are for who has it", LIMIT, async (t) => {
  const tokenFile = join(temporaryDirectory(), "token");
  writeFileSync(tokenFile, "a-token-for-prometheus\n");
  const gateway = await started(t, { metrics: { tokenFile } });
  const url = `http://127.0.0.1:${gateway.control.port}/metrics`;
  for (const authorization of [
    undefined,
    "Bearer another-token-altogether",
    "Basic a-token-for-prometheus",
  ]) {
    const response = await fetch(url, { headers: authorization === undefined ? {} : { authorization } });
    assert.equal(response.status, 401);
    assert.ok(!(await response.text()).includes("bqtape_exchanges"));
  }
  await metricsOf(gateway.control.port, { authorization: "Bearer a-token-for-prometheus" });
});

test(
  "without a token and without loopback identity, the control listener keeps metrics to itself",
  LIMIT,
  async (t) => {
    const gateway = await started(t, {
      identity: { oidc: [{ issuer: "https://127.0.0.1:1", audience: "bqtape" }] },
    });
    const response = await fetch(`http://127.0.0.1:${gateway.control.port}/metrics`);
    assert.equal(response.status, 403);
    assert.match(await response.text(), /metrics\.tokenFile/);
  },
);

test("without a token, a control listener that others reach serves metrics to this machine alone", async () => {
  const server = fastify();
  answerErrors(server, assert.ifError);
  const expose = async () => ({ contentType: "text/plain", text: "bqtape_ready 1\n" });
  metricsRoute(server, { expose, access: { type: "loopback" } });
  const asked = async (remoteAddress: string) => await server.inject({ url: "/metrics", remoteAddress });
  assert.equal((await asked("192.0.2.1")).statusCode, 403);
  assert.equal((await asked("::ffff:192.0.2.1")).statusCode, 403);
  assert.equal((await asked("127.0.0.1")).statusCode, 200);
});

test("metrics have a listener of their own, with nothing else on it", LIMIT, async (t) => {
  const gateway = await started(t, { metrics: { listen: "127.0.0.1:0" } });
  assert.ok(gateway.metrics);
  await metricsOf(gateway.metrics.port);
  const response = await fetch(`http://127.0.0.1:${gateway.metrics.port}/healthz`);
  assert.equal(response.status, 404);
});

test("a token that is none is told at the start", LIMIT, async (t) => {
  const tokenFile = join(temporaryDirectory(), "token");
  writeFileSync(tokenFile, "short");
  await assert.rejects(started(t, { metrics: { tokenFile } }), /metrics\.tokenFile .* 16 characters/);
});
