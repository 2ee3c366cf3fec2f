import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pino from "pino";
import { createAuthority } from "../../src/certificates/authority.ts";
import { agentEnvironment } from "../../src/commands/agent-environment.ts";
import { openAgentFiles, openGatewayAuthority } from "../../src/commands/agent-files.ts";
import { type RunningGateway, startGateway } from "../../src/commands/start-gateway.ts";
import { configSchema } from "../../src/config/schema.ts";
import { testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { closedPort, startUpstream, type TestUpstream } from "../support/upstream.ts";
import { assertSound, assertTold, configFile, examined } from "./support.ts";

limitProcess(90_000);

const limit = { timeout: 20_000 };

const directory = temporaryDirectory();
let upstream: TestUpstream;
let gateway: RunningGateway;
/** As `bqtape env` has it. */
let agents: Record<string, string> = {};
let config = "";

before(async () => {
  upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  const input = testConfig(directory, upstream);
  config = configFile(directory, input);
  const parsed = configSchema.parse(input);
  gateway = await startGateway(parsed, pino({ level: "silent" }));
  const authority = await openGatewayAuthority(parsed);
  const files = await openAgentFiles({ authority, config: parsed });
  const proxy = `127.0.0.1:${gateway.proxy.port}`;
  agents = { ...agentEnvironment({ files, proxy, session: "an-agent" }), HOME: directory };
});
after(async () => {
  await gateway.close();
  await upstream.close();
});

/** What is found in an agent's environment that was changed; what is `undefined` is taken away. */
async function changed(changes: Readonly<Record<string, string | undefined>> = {}) {
  const entries = Object.entries({ ...agents, ...changes }).filter(([, value]) => value !== undefined);
  return await examined({ environment: Object.fromEntries(entries) }, "client");
}

const AGAIN = /bqtape env/;

test("an environment as bqtape env makes it is sound, and its session is taken", limit, async () => {
  const reports = await changed();
  assertSound(reports);
  assertTold(reports, "client.connection", "ok", /the session is taken, and the certificate trusted/);
});

test("a shell that is no agent's is left alone", limit, async () => {
  const environment = { HTTPS_PROXY: "http://proxy.example:3128", HOME: directory };
  const reports = await examined({ file: config, environment }, "client");
  assertSound(reports);
  assertTold(reports, "client.environment", "ok", /not an agent's/);
  assert.equal(reports.length, 1);
});

test("proxies that differ send some clients past the gateway", limit, async () => {
  const other = "http://x:y@127.0.0.1:1";
  const plain = await changed({ HTTP_PROXY: other });
  assertTold(
    plain,
    "client.proxy",
    "fail",
    /^HTTP_PROXY is another .*Node's BigQuery client prefers it/,
    AGAIN,
  );
  assertTold(await changed({ https_proxy: other }), "client.proxy", "fail", /^https_proxy is another/, AGAIN);
  assertTold(
    await changed({ https_proxy: undefined }),
    "client.proxy",
    "warn",
    /gRPC .* read no other/,
    AGAIN,
  );
  const none = await changed({ HTTPS_PROXY: undefined, https_proxy: undefined });
  assertTold(none, "client.proxy", "fail", /HTTPS_PROXY is not set/, AGAIN);
});

test("a proxy without a session that every client sends", limit, async () => {
  const bare = `http://127.0.0.1:${gateway.proxy.port}`;
  const all = { HTTPS_PROXY: bare, https_proxy: bare, HTTP_PROXY: bare, http_proxy: bare };
  assertTold(await changed(all), "client.proxy", "fail", /has no user and password/, AGAIN);
});

test("NO_PROXY that covers BigQuery", limit, async () => {
  for (const entry of [
    "*",
    "googleapis.com",
    ".googleapis.com",
    "*.googleapis.com",
    "bigquery.googleapis.com:443",
  ]) {
    const reports = await changed({ no_proxy: `localhost,${entry}` });
    assertTold(reports, "client.no-proxy", "fail", /past the gateway/, /out of no_proxy$/);
  }
  assertTold(await changed({ NO_PROXY: "localhost,example.com" }), "client.no-proxy", "ok", /nothing/);
});

test("files of authorities: missing, without a certificate, too few, not the gateway's", limit, async () => {
  const gone = await changed({ NODE_EXTRA_CA_CERTS: "/nonexistent/ca.pem" });
  assertTold(
    gone,
    "client.trust",
    "fail",
    /NODE_EXTRA_CA_CERTS \/nonexistent\/ca\.pem cannot be read/,
    AGAIN,
  );
  const unset = await changed({ REQUESTS_CA_BUNDLE: undefined });
  assertTold(unset, "client.trust", "warn", /not set: REQUESTS_CA_BUNDLE \(Python\)/, AGAIN);
  const few = await changed({ SSL_CERT_FILE: agents.NODE_EXTRA_CA_CERTS });
  assertTold(few, "client.trust", "warn", /SSL_CERT_FILE .* one certificate, and Go/, /ca-bundle\.pem/);
  const other = join(directory, "other.pem");
  writeFileSync(other, (await createAuthority({ commonName: "another" })).certificatePem);
  const foreign = await changed({ NODE_EXTRA_CA_CERTS: other });
  assertTold(
    foreign,
    "client.connection",
    "fail",
    /not trusted here/,
    /gateway's authority in NODE_EXTRA_CA_CERTS/,
  );
});

test("a real key in an agent's hands fails, by name, and nothing of the key is told", limit, async () => {
  const reports = await changed({ GOOGLE_APPLICATION_CREDENTIALS: upstream.keyFile });
  assertTold(
    reports,
    "client.credentials",
    "fail",
    /a real credential \(gateway@.*\) in an agent's hands/,
    /its key replaced/,
  );
  const { private_key } = JSON.parse(readFileSync(upstream.keyFile, "utf8"));
  assert.ok(!JSON.stringify(reports).includes(private_key.slice(40, 80)));
  assertTold(
    await changed({ GOOGLE_APPLICATION_CREDENTIALS: "/nonexistent" }),
    "client.credentials",
    "fail",
    /cannot be read/,
    AGAIN,
  );
});

test("gcloud's own settings that lead past the gateway", limit, async () => {
  const CLOUDSDK_CONFIG = temporaryDirectory();
  mkdirSync(join(CLOUDSDK_CONFIG, "configurations"));
  writeFileSync(join(CLOUDSDK_CONFIG, "active_config"), "work\n");
  const settings = join(CLOUDSDK_CONFIG, "configurations", "config_work");
  writeFileSync(settings, "[core]\naccount = me\n[proxy]\ntype = http\naddress = other.example\nport = 1\n");
  const proxied = await changed({ CLOUDSDK_CONFIG });
  assertTold(
    proxied,
    "client.gcloud",
    "fail",
    /configuration work has a proxy of its own/,
    /gcloud config unset proxy\/address/,
  );
  writeFileSync(settings, "[core]\naccount = me\n");
  assertTold(await changed({ CLOUDSDK_CONFIG }), "client.gcloud", "ok", /configuration work/);
  writeFileSync(join(CLOUDSDK_CONFIG, "application_default_credentials.json"), "{}");
  const own = await changed({ CLOUDSDK_CONFIG, GOOGLE_APPLICATION_CREDENTIALS: undefined });
  assertTold(own, "client.gcloud", "fail", /is a real credential/, /revoke/);
});

test("a session that the gateway does not take, and a gateway that is away", limit, async () => {
  const at = (url: string) => ({ HTTPS_PROXY: url, https_proxy: url, HTTP_PROXY: url, http_proxy: url });
  // Of a session that a token has to prove.
  const over = await changed(at(`http://bqtape:o-unknown@127.0.0.1:${gateway.proxy.port}`));
  assertTold(over, "client.connection", "fail", /does not take this session/, /bqtape session create/);
  const away = await changed(at(`http://bqtape:s@127.0.0.1:${await closedPort()}`));
  assertTold(away, "client.connection", "fail", /nothing listens there/, /start the gateway/);
});

test("the session's name is in nothing that is told", limit, async () => {
  const url = `http://bqtape:very-secret-token@127.0.0.1:${gateway.proxy.port}`;
  const reports = await changed({ HTTP_PROXY: url });
  assert.ok(!JSON.stringify(reports).includes("very-secret"));
  assert.ok(!JSON.stringify(reports).includes("an-agent"));
});
