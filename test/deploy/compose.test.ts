import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { before, suite, test } from "node:test";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { partFor } from "../clients/support/parts.ts";
import { check } from "./run.ts";

/*
 * compose.yaml is one that Docker Compose takes, and its parts fit together. No engine starts it here; what can be tried
 * without containers is in compose-trial.test.ts.
 */

const ROOT = join(import.meta.dirname, "../..");
const COMPOSE = join(ROOT, "deploy/compose");

interface Service {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly networks?: Readonly<Record<string, unknown>>;
  readonly network_mode?: string;
  readonly ports?: readonly { readonly host_ip?: string; readonly target: number }[];
  readonly volumes?: readonly { readonly type: string; readonly source: string; readonly target: string }[];
  readonly [key: string]: unknown;
}

interface Project {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
}

suite("compose.yaml", { timeout: 60_000 }, () => {
  let project: Project | undefined;
  let config: Config;

  before(async () => {
    config = await loadConfig({ file: join(COMPOSE, "bqtape.yaml"), environment: {} });
  });

  function service(name: string): Service {
    return project?.services[name] ?? assert.fail(`no service is called ${name}`);
  }

  test("is taken by the loader of Docker Compose", async (t) => {
    const compose = partFor(t, "compose");
    if (compose === undefined) return;
    const loaded = await check(compose, ["-format", "json", "compose.yaml"], ROOT);
    assert.equal(loaded.code, 0, loaded.stderr);
    project = JSON.parse(loaded.stdout) as Project;
    assert.deepEqual(Object.keys(project.services).sort(), [
      ...["agent", "gateway", "grafana", "idp", "kafka", "orchestrator", "prometheus", "sandbox"],
    ]);

    await t.test("has a version for every image, and none that moves", () => {
      for (const { image } of Object.values(project?.services ?? {}))
        assert.match(image, /^[a-z/]+:v?\d+\.\d+\.\d+$/);
      const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
      assert.equal(service("gateway").image, `bqtape:${version}`);
    });

    await t.test("opens ports to this machine alone", () => {
      const ports = Object.values(project?.services ?? {}).flatMap(({ ports = [] }) => ports);
      assert.equal(ports.length >= 5, true);
      for (const { host_ip } of ports) assert.equal(host_ip, "127.0.0.1");
    });

    await t.test("mounts files that are in the tree", () => {
      const mounts = Object.values(project?.services ?? {})
        .flatMap(({ volumes = [] }) => volumes)
        .filter(({ type }) => type === "bind")
        .map(({ source }) => relative(ROOT, source));
      const missing = mounts.filter((path) => !existsSync(join(ROOT, path)));
      assert.deepEqual(missing, []);
    });

    await t.test("leaves an agent nothing to reach but the gateway's network", () => {
      const { networks = {}, network_mode } = service("agent");
      assert.equal(network_mode, undefined);
      assert.deepEqual(Object.keys(networks), ["agents"]);
      assert.equal(project?.networks.agents?.internal, true);
      const others = Object.entries(project?.services ?? {})
        .filter(
          ([name, each]) => name !== "agent" && each.networks !== undefined && "agents" in each.networks,
        )
        .map(([name]) => name);
      assert.deepEqual(others, ["gateway"]);
    });

    await t.test("gives the agent no secret", () => {
      assert.equal(service("agent").environment, undefined);
      assert.deepEqual(
        service("agent").volumes?.map(({ target }) => target),
        ["/app/report.mjs", "/agent"],
      );
    });

    await t.test("publishes what the gateway and its IdP listen on", () => {
      const { proxy, control, identity } = config;
      assert.deepEqual(
        service("gateway").ports?.map(({ target }) => target),
        [proxy.listen.port, control.listen.port, Number(new URL(identity.oidc?.[0]?.issuer ?? "").port)],
      );
      assert.equal(service("idp").network_mode, "service:gateway");
    });

    await t.test("has the IdP call itself what the gateway knows it by", () => {
      const realm = JSON.parse(readFileSync(join(COMPOSE, "realm.json"), "utf8"));
      const { KC_HOSTNAME, KC_HTTP_PORT } = service("idp").environment ?? {};
      assert.equal(config.identity.oidc?.[0]?.issuer, `${KC_HOSTNAME}/realms/${realm.realm}`);
      assert.equal(new URL(KC_HOSTNAME ?? "").port, KC_HTTP_PORT);
    });

    await t.test("has the stand-in where the gateway and its certificate expect it", () => {
      const { command, hostname } = service("sandbox");
      assert.deepEqual(command, ["sandbox", "--listen", "sandbox:9443", "--directory", "/data"]);
      assert.equal(hostname, "sandbox");
      assert.deepEqual(config.upstream.overrides, { "bigquery.googleapis.com": "https://sandbox:9443" });
    });

    await t.test("has Kafka advertise what the gateway asks for", () => {
      assert.equal(
        service("kafka").environment?.KAFKA_ADVERTISED_LISTENERS,
        `PLAINTEXT://${config.kafka?.brokers}`,
      );
    });

    await t.test("has Prometheus scrape where the gateway's metrics are, and Grafana ask it", () => {
      const { scrape_configs: jobs } = parse(readFileSync(join(COMPOSE, "prometheus.yml"), "utf8"));
      assert.deepEqual(jobs[0].static_configs, [{ targets: [`gateway:${config.metrics.listen?.port}`] }]);
      assert.equal(service("grafana").environment?.PROMETHEUS_URL, "http://prometheus:9090");
    });

    await t.test("waits longer for a gateway to stop than that waits for exchanges", () => {
      const [, minutes = 0, seconds = 0] =
        /^(?:(\d+)m)?(\d+)s$/.exec(String(service("gateway").stop_grace_period)) ?? [];
      assert.equal(
        Number(minutes) * 60_000 + Number(seconds) * 1000 >= config.proxy.drainTimeout + 45_000,
        true,
      );
    });
  });

  test("the realm has the clients, audience and groups that the gateway's configuration names", () => {
    const realm = JSON.parse(readFileSync(join(COMPOSE, "realm.json"), "utf8"));
    const oidc = config.identity.oidc?.[0] ?? assert.fail("no provider");
    const clients = new Map<string, { protocolMappers: { config: Record<string, string> }[] }>(
      realm.clients.map((client: { clientId: string }) => [client.clientId, client]),
    );
    assert.deepEqual([...clients.keys()], oidc.authorizedParties);
    assert.equal(clients.has(oidc.clientId ?? ""), true);
    const mapped = (client: string, key: string): (string | undefined)[] =>
      (clients.get(client)?.protocolMappers ?? []).map(({ config: mapper }) => mapper[key]);
    for (const client of clients.keys())
      assert.equal(mapped(client, "claim.name").includes(oidc.groupsClaim.join(".")), true);
    assert.equal(mapped("orchestrator", "included.custom.audience").includes(oidc.audience), true);
    const groups = realm.groups.map(({ name }: { name: string }) => name);
    const { admin, auditor } = config.identity.roles;
    for (const group of [...admin, ...auditor]) assert.equal(groups.includes(group), true, group);
  });
});
