import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { identitySite } from "../../identity/gateway.ts";
import { kafkaFor } from "../../kafka/cluster.ts";
import { gatewayUnderTest, type Target } from "../../support/gateway.ts";
import { serve } from "../../support/serve.ts";
import { limitProcess } from "../../support/time-limit.ts";
import { asSent, panelsOf, readDashboards } from "./dashboards.ts";
import { type RunningPrometheus, startPrometheus } from "./prometheus.ts";
import { readRules } from "./rules.ts";
import { traffic } from "./traffic.ts";

limitProcess(150_000);

const LIMIT = { timeout: 60_000 };
/** Milliseconds for all panels to have something to show. */
const DATA_LIMIT = 30_000;

/*
 * A real Prometheus scrapes a real gateway, which delivers to a real Kafka, once a second. Grafana's windows are a minute and
 * longer; here they are as short as scrapes allow.
 */
test("with a gateway that runs, each panel shows something and each rule can be evaluated", {
  timeout: 140_000,
}, async (t) => {
  const kafka = await kafkaFor(t);
  if (kafka === undefined) return;

  await t.test("with one relay, in the gateway's process", LIMIT, async (t) => {
    const { config, issuer } = await site(t, kafka.addresses, "one");
    const port = await farEnd(t);
    const network = { resolve: async () => ["127.0.0.1"], permit: () => true };
    const gateway = await gatewayUnderTest(
      t,
      { ...config, tunnel: { hosts: [`far.test:${port}`] } },
      network,
    );
    const target = { port: gateway.proxy.port, ca: gateway.ca };
    await watch(t, target, gateway.control.port, { token: () => issuer.token(), tunnel: `far.test:${port}` });
  });

  await t.test("with two workers, whose numbers are added up", LIMIT, async (t) => {
    const { config, directory, issuer } = await site(t, kafka.addresses, "two");
    const file = join(directory, "bqtape.json");
    writeFileSync(file, JSON.stringify({ ...config, proxy: { listen: "127.0.0.1:0", workers: 2 } }));
    const gateway = await serve(t, file);
    const target = { port: gateway.port, ca: readFileSync(String(config.ca?.cert), "utf8") };
    await watch(t, target, gateway.controlPort, { token: () => issuer.token(), tunnel: undefined });
  });
});

function site(t: TestContext, brokers: string[], name: string): ReturnType<typeof identitySite> {
  const topics = { events: `${name}.events`, bodies: `${name}.bodies`, control: `${name}.control` };
  return identitySite(t, { identity: { loopback: true }, kafka: { brokers, topics } });
}

async function watch(
  t: TestContext,
  target: Target,
  metricsPort: number,
  agents: Omit<Parameters<typeof traffic>[0], "target">,
): Promise<void> {
  const prometheus = await startPrometheus(t, { gateway: metricsPort }, readRules());
  if (prometheus === undefined) return;
  const running = traffic({ target, ...agents });
  t.after(() => running.stop());
  const missing = await untilShown(prometheus);
  assert.deepEqual(missing, []);
  const ill = (await prometheus.rules()).filter(({ health }) => health !== "ok");
  assert.deepEqual(ill, []);
  assert.ok((await prometheus.exemplars("bqtape_exchange_added_latency_seconds_bucket")).length > 0);
  await running.stop();
}

/** Asks what every panel asks until there is an answer with a number in it; what is left without one in the end. */
async function untilShown(prometheus: RunningPrometheus): Promise<readonly string[]> {
  let waiting = readDashboards().flatMap((dashboard) =>
    panelsOf(dashboard).flatMap(({ title, targets = [] }) =>
      targets.map((target) => ({
        name: `${dashboard.file}: ${title} ${target.refId}`,
        expression: asSent(target, "10s", "30s"),
      })),
    ),
  );
  for (const deadline = performance.now() + DATA_LIMIT; ; await delay(500)) {
    const shown = await Promise.all(
      waiting.map(async ({ expression }) =>
        (await prometheus.query(expression)).some(({ value }) => Number.isFinite(value)),
      ),
    );
    waiting = waiting.filter((_, index) => !shown[index]);
    if (waiting.length === 0 || performance.now() > deadline) return waiting.map(({ name }) => name);
  }
}

/** Something that takes connections, behind a tunnel. */
async function farEnd(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => undefined).resume());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}
