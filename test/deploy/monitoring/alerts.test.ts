import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openAuthority } from "../../../src/certificates/authority-files.ts";
import { startCluster } from "../../kafka/cluster.ts";
import { ask, type GatewayUnderTest, gatewayUnderTest, testConfig } from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { limitProcess } from "../../support/time-limit.ts";
import { startUpstream, writeServiceAccount } from "../../support/upstream.ts";
import { type RunningPrometheus, startPrometheus } from "./prometheus.ts";
import { inSeconds, type RuleFile, readRules } from "./rules.ts";

limitProcess(140_000);

const MIB = 1024 * 1024;
const QUERIES = "/bigquery/v2/projects/p/queries";
const LIMIT = { timeout: 45_000 };
/** Milliseconds for an alert to come, or to go, after its cause. */
const ALERT_LIMIT = 30_000;
/** Seconds that a token is good for: the gateway fetches another at once, and uses this one until 30 s before its end. */
const TOKEN_LIFE = 38;

/*
 * The rules as they are but for time: what waits for minutes waits for a second, and windows are ten seconds. That nothing fires
 * too early is proven by deploy/prometheus/tests.
 */
test("when it really happens, alerts fire, and they end with their cause", {
  timeout: 130_000,
}, async (t) => {
  const cluster = await startCluster(t);
  const [broker] = cluster?.brokers ?? [];
  if (cluster === undefined || broker === undefined) return;
  const recording = await recordingGateway(t, cluster.addresses());
  const { gateway: asking, tokens } = await gatewayOfShortTokens(t);
  const targets = { recording: recording.control.port, asking: asking.control.port };
  const prometheus = await startPrometheus(t, targets, inSeconds(without("BqtapeDiskFills", readRules())));
  if (prometheus === undefined) return;

  await t.test("with authorities near their ends, of what is well nothing else fires", LIMIT, async () => {
    assert.equal((await query(recording)).status, 200);
    assert.equal((await query(asking)).status, 200);
    await until(prometheus, {
      fire: ["BqtapeAuthorityExpires/recording", "BqtapeAuthorityExpiresSoon/asking"],
    });
    assert.deepEqual([...(await prometheus.firing())].sort(), [
      "BqtapeAuthorityExpires/recording",
      "BqtapeAuthorityExpiresSoon/asking",
    ]);
  });

  await t.test(
    "the token endpoint is away: a token is not refreshed, then the credential fails",
    LIMIT,
    async () => {
      await tokens.stop();
      const asked = repeat(async () => void (await query(asking)));
      await until(prometheus, { fire: ["BqtapeCredentialNotRefreshed/asking"] });
      await until(prometheus, { fire: ["BqtapeCredentialFails/asking"] });
      await tokens.start();
      await until(prometheus, { end: ["BqtapeCredentialFails/asking", "BqtapeAvailabilityBurnsFast"] });
      await asked.stop();
    },
  );

  await t.test("Kafka is stopped, and the journal fills; Kafka is back, and all is well", LIMIT, async () => {
    await broker.kill();
    // One that is under way when the journal is full waits for Kafka.
    const waiting: Promise<unknown>[] = [];
    const asked = repeat(async () => {
      const answer = query(recording);
      waiting.push(answer);
      await Promise.race([answer, delay(500)]);
    });
    const ofGateway = ["DeliveryDown", "JournalFilling", "JournalFullSoon", "JournalFull", "NotReady"];
    const all = [...ofGateway.map((name) => `Bqtape${name}/recording`), "BqtapeAvailabilityBurnsFast"];
    await until(prometheus, { fire: all });
    await asked.stop();
    await broker.start();
    await until(prometheus, { end: all });
    await Promise.all(waiting);
  });
});

/** This machine's disk is others', too: what they write in ten seconds says what it is after a day. */
function without(alert: string, { groups }: RuleFile): RuleFile {
  const others = (rule: RuleFile["groups"][number]["rules"][number]): boolean =>
    !("alert" in rule) || rule.alert !== alert;
  return { groups: groups.map(({ name, rules }) => ({ name, rules: rules.filter(others) })) };
}

/** Delivers to Kafka alone; its journal is as small as can be, its authority good for 20 days. */
async function recordingGateway(t: TestContext, brokers: string[]): Promise<GatewayUnderTest> {
  const directory = temporaryDirectory();
  const answer = randomBytes(2 * MIB);
  const upstream = await startUpstream(directory, (_request, response) => response.end(answer));
  t.after(() => upstream.close());
  const config = testConfig(directory, upstream, {
    archive: { enabled: false },
    recording: { journal: { maxBytes: "64MiB" } },
    kafka: { brokers },
  });
  await authorityFor(directory, 20);
  return await gatewayUnderTest(t, config);
}

/** Its authority is good for 6 days, and its tokens for seconds. */
async function gatewayOfShortTokens(t: TestContext) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const tokens = await tokenEndpoint(t);
  const config = testConfig(directory, upstream);
  const keyFile = writeServiceAccount(directory, tokens.url);
  await authorityFor(directory, 6);
  return {
    gateway: await gatewayUnderTest(t, { ...config, credential: { type: "service-account", keyFile } }),
    tokens,
  };
}

async function authorityFor(directory: string, days: number): Promise<void> {
  const files = { cert: join(directory, "certs/ca.pem"), key: join(directory, "certs/ca.key") };
  await openAuthority(files, { commonName: "near its end", permittedDomains: ["googleapis.com"], days });
}

/** One that can be stopped and started again at the same address. */
async function tokenEndpoint(t: TestContext) {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ access_token: "token", expires_in: TOKEN_LIFE, token_type: "Bearer" }));
  });
  const start = async (port: number): Promise<void> => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const stop = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  await start(0);
  const { port } = server.address() as AddressInfo;
  t.after(() => server.listening && stop());
  return { url: `http://127.0.0.1:${port}/token`, stop, start: () => start(port) };
}

function query({ proxy, ca }: GatewayUnderTest): ReturnType<typeof ask> {
  return ask({ port: proxy.port, ca }, { path: QUERIES, body: '{"query":"SELECT 1"}', session: "agent" });
}

/** Goes on with something, a moment between, until it is stopped. */
function repeat(work: () => Promise<void>): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await work();
      await delay(50);
    }
  };
  const running = run();
  running.catch(() => undefined);
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

/** Resolves when all of these fire, and none of those. */
async function until(
  prometheus: RunningPrometheus,
  { fire = [], end = [] }: { readonly fire?: readonly string[]; readonly end?: readonly string[] },
): Promise<void> {
  for (const deadline = performance.now() + ALERT_LIMIT; ; await delay(250)) {
    const firing = await prometheus.firing();
    const missing = fire.filter((name) => !firing.has(name));
    const left = end.filter((name) => firing.has(name));
    if (missing.length === 0 && left.length === 0) return;
    assert.ok(performance.now() < deadline, `missing: ${missing}; left: ${left}; firing: ${[...firing]}`);
  }
}
