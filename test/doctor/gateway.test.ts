import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { createAuthority } from "../../src/certificates/authority.ts";
import { startProvider } from "../identity/provider.ts";
import { freePorts } from "../kafka/ports.ts";
import { gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { startUpstream } from "../support/upstream.ts";
import { assertSound, assertTold, type ConfigInput, configFile, examined } from "./support.ts";

limitProcess(120_000);

const limit = { timeout: 30_000 };

/** A configuration whose ports are known, and a gateway that runs by it. */
async function site(t: TestContext, more: Partial<ConfigInput> = {}) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const [proxy, control] = await freePorts(2);
  const input = testConfig(directory, upstream, {
    proxy: { listen: `127.0.0.1:${proxy}` },
    control: { listen: `127.0.0.1:${control}` },
    ...more,
  });
  return {
    ...{ file: configFile(directory, input), proxy, control, ca: input.ca?.cert ?? "" },
    start: () => gatewayUnderTest(t, input),
  };
}

test("beside a running gateway all of it is looked at, and nothing of it changes", limit, async (t) => {
  const { file, start, control } = await site(t);
  const gateway = await start();
  const reports = await examined({ file }, "gateway");
  assertSound(reports);
  assertTold(reports, "gateway.running", "ok", new RegExp(`answers at 127\\.0\\.0\\.1:${control}`));
  assertTold(reports, "gateway.ready", "ok", /takes traffic/);
  assertTold(reports, "gateway.version", "ok", /version \d/);
  assertTold(reports, "gateway.metrics", "ok", /\/metrics can be read/);
  assertTold(reports, "gateway.authority", "ok", /ca\.pem/);
  assertTold(reports, "gateway.proxy", "ok", /asks strangers who they are/);
  await gateway.archived();
  const search = new ArchiveSearch(gateway.dataDir, true);
  t.after(() => search.close());
  assert.deepEqual([...search.sessions({ limit: 10 })], []);
});

test("a gateway that knows people by tokens is looked at alike", limit, async (t) => {
  const { issuer } = await startProvider(t);
  const directory = temporaryDirectory();
  const session = { keyFile: `${directory}/session.key` };
  const { file, start } = await site(t, { identity: { oidc: { issuer, audience: "bqtape" }, session } });
  await start();
  const reports = await examined({ file }, "gateway");
  assertTold(reports, "gateway.ready", "ok", /takes traffic/);
  assertTold(reports, "gateway.proxy", "ok", /asks strangers who they are/);
  assertTold(reports, "gateway.metrics", "warn", /status 403/, /metrics\.tokenFile/);
});

test("all checks run beside a gateway, and it goes on", limit, async (t) => {
  const { file, start, control } = await site(t);
  await start();
  const reports = await examined({ file });
  assert.deepEqual(
    reports.filter(({ status, name }) => status === "fail" && name !== "upstream.query"),
    [],
  );
  const { status } = await fetch(`http://127.0.0.1:${control}/readyz`);
  assert.equal(status, 200);
});

test("none runs: said, and no failure", limit, async (t) => {
  const { file } = await site(t);
  const reports = await examined({ file }, "gateway");
  assertSound(reports);
  assertTold(reports, "gateway.running", "ok", /its ports are free/);
});

test("something else at the gateway's ports is told", limit, async (t) => {
  const { file, control, proxy } = await site(t);
  const stranger = createServer((_request, response) => response.end("hello"));
  t.after(() => {
    stranger.close();
    stranger.closeAllConnections();
  });
  await once(stranger.listen(proxy, "127.0.0.1"), "listening");
  const atProxy = await examined({ file }, "gateway");
  assertTold(
    atProxy,
    "gateway.running",
    "fail",
    /something else listens at .*proxy\.listen/,
    /another port in proxy\.listen/,
  );
  const other = createServer((_request, response) => response.end("hello"));
  t.after(() => {
    other.close();
    other.closeAllConnections();
  });
  await once(other.listen(control, "127.0.0.1"), "listening");
  const atControl = await examined({ file }, "gateway");
  assertTold(atControl, "gateway.running", "fail", /is no gateway/, /another port in control\.listen/);
});

test("an authority that was replaced under a gateway is told", limit, async (t) => {
  const { file, start, ca } = await site(t);
  await start();
  writeFileSync(ca, (await createAuthority({ commonName: "another" })).certificatePem);
  const reports = await examined({ file }, "gateway");
  assertTold(reports, "gateway.authority", "fail", /another authority than/, /restart it/);
});

test(
  "a gateway that takes no traffic is told with its own reason, and one that warns, too",
  limit,
  async (t) => {
    let answer = { status: 503, body: { status: "unavailable", reason: "the journal is full" } as object };
    const control = createServer((_request, response) => {
      response.writeHead(answer.status, { "content-type": "application/json" });
      response.end(JSON.stringify(answer.body));
    });
    t.after(() => {
      control.close();
      control.closeAllConnections();
    });
    await once(control.listen(0, "127.0.0.1"), "listening");
    const { port } = control.address() as AddressInfo;
    const { file } = await site(t, { control: { listen: `127.0.0.1:${port}` } });
    const full = await examined({ file }, "gateway");
    assertTold(full, "gateway.ready", "fail", /the journal is full/, /agents get 503/);
    assertTold(full, "gateway.proxy", "fail", /nothing listens there/, /restart the gateway/);
    answer = { status: 200, body: { status: "ok", warning: "the journal is at 85 %" } };
    const warned = await examined({ file }, "gateway");
    assertTold(warned, "gateway.ready", "warn", /the journal is at 85 %/, /disk and kafka/);
  },
);
