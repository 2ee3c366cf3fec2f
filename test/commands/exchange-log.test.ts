import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, connect, proxyAuthorization, testConfig } from "../support/gateway.ts";
import { type LogEntry, type Served, serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Serve, startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 60_000 } as const;
const QUERY = "/bigquery/v2/projects/shop/queries";
const LIST = "/bigquery/v2/projects";

type ConfigInput = ReturnType<typeof testConfig>;

/** A gateway in a process of its own, before an upstream that answers as it is told. */
async function served(
  t: Parameters<typeof serve>[0],
  more: Partial<ConfigInput> = {},
  answer: Serve = (_request, response) => response.end("{}"),
) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, answer);
  t.after(() => upstream.close());
  const file = join(directory, "bqtape.yaml");
  const input = testConfig(directory, upstream, more);
  const write = (changed: Partial<ConfigInput> = {}): void =>
    writeFileSync(file, JSON.stringify({ ...input, ...changed }));
  write();
  const gateway = await serve(t, file);
  const ca = readFileSync(String(input.ca?.cert), "utf8");
  return { gateway, upstream, write, target: { port: gateway.port, ca } };
}

function exchangesIn(gateway: Served): LogEntry[] {
  return gateway
    .output()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as LogEntry)
    .filter(({ msg }) => msg === "exchange");
}

test(
  "an exchange is one line, which tells who asked what of which project, and how that went",
  OPTIONS,
  async (t) => {
    const { gateway, upstream, target } = await served(t);
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const body = JSON.stringify({ query: "SELECT 1", jobReference: { jobId: "j1" } });
    const traceparent = `00-${trace}-b7ad6b7169203331-01`;
    await ask(target, { path: QUERY, body, session: "mine", headers: { traceparent } });
    const { level, time, pid, hostname, msg, exchange, source, phases, addedLatency, ...rest } =
      await gateway.logged("exchange");
    assert.equal(level, 30);
    assert.ok([time, pid, hostname, msg].every(Boolean));
    assert.match(String(exchange), /^[0-9a-f-]{36}$/);
    assert.match(String(source), /^127\.0\.0\.1:\d+$/);
    const { client_email } = JSON.parse(readFileSync(upstream.keyFile, "utf8"));
    assert.deepEqual(rest, {
      session: "mine",
      user: rest.user,
      host: "bigquery.googleapis.com:443",
      operation: "jobs.query",
      project: "shop",
      job: "j1",
      effect: "allow",
      rule: rest.rule,
      outcome: "complete",
      status: 200,
      requestBytes: body.length,
      responseBytes: 2,
      credential: client_email,
      trace,
    });
    const times = phases as Record<string, number>;
    const names = "receive decide commit credential upstreamFirstByte upstream release total".split(" ");
    assert.deepEqual(Object.keys(times), names);
    const { total = 0, upstream: upstreamTime = 0 } = times;
    assert.ok(Number(addedLatency) > 0 && Number(addedLatency) <= total - upstreamTime);
  },
);

test("what is refused is a line too, with why", OPTIONS, async (t) => {
  const { gateway, target } = await served(t);
  assert.equal((await connect(gateway.port, "elsewhere.example:443")).status, 403);
  const refused = await gateway.logged("exchange");
  assert.deepEqual(
    [refused.host, refused.effect, refused.outcome, refused.status, refused.error],
    ["elsewhere.example:443", "deny", "denied", 403, "connect.host"],
  );
  assert.equal((await ask(target, { path: "/unknown/door", session: "mine" })).status, 403);
  const denied = await gateway.logged("exchange");
  assert.deepEqual([denied.session, denied.operation, denied.outcome], ["mine", "unknown", "denied"]);
  assert.match(String(denied.error), /^denied\./);
});

test(
  "no secret and nothing of a body or header gets into the log, wherever an agent puts it",
  OPTIONS,
  async (t) => {
    const secret = (where: string): string => `hush-${where}-hush`;
    const { gateway, upstream, target } = await served(
      t,
      { log: { level: "trace" } },
      (request, response) => {
        response.setHeader("set-cookie", secret("set-cookie"));
        response.setHeader("x-answer", secret("answer-header"));
        if (request.url?.includes("broken")) {
          response.setHeader("content-length", 1_000);
          response.write(secret("broken-answer"), () => response.destroy());
        } else if (request.url?.includes("failing")) {
          response.statusCode = 500;
          response.end(JSON.stringify({ error: { message: secret("error-message") } }));
        } else response.end(JSON.stringify({ rows: secret("row") }));
      },
    );
    const headers = {
      authorization: `Bearer ${secret("bearer")}`,
      cookie: secret("cookie"),
      "x-goog-api-key": secret("api-key"),
      "x-goog-user-project": secret("user-project"),
      "user-agent": secret("user-agent"),
      "x-custom": secret("header"),
      tracestate: `a=${secret("tracestate")}`,
      traceparent: secret("traceparent"),
    };
    const query = `?access_token=${secret("access-token")}&key=${secret("key")}&other=${secret("parameter")}`;
    const sql = `SELECT '${secret("sql")}'`;
    const body = JSON.stringify({ query: sql, labels: { a: secret("label") } });
    const session = "mine";
    for (const path of [QUERY, `${QUERY}/broken`, `${QUERY}/failing`, `/unknown/${secret("path")}`]) {
      const request = { path: path + query, headers, session };
      const posted = path === QUERY ? { ...request, body } : request;
      await ask(target, posted).catch(() => undefined);
      await gateway.logged("exchange");
    }
    const malformed = JSON.stringify({ query: sql }).slice(0, -1);
    await ask(target, { path: QUERY + query, headers, session, body: malformed });
    await gateway.logged("exchange");
    const refused = await connect(gateway.port, "elsewhere.example:443", {
      ...proxyAuthorization("mine"),
      "user-agent": secret("connect-user-agent"),
    });
    assert.equal(refused.status, 403);
    await gateway.logged("exchange");
    // No CONNECT at all: a URL with a password, in its place.
    const plain = connectTcp(gateway.port, "127.0.0.1");
    plain.end(
      `GET http://user:${secret("url-password")}@elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n`,
    );
    plain.resume();
    await gateway.logged("exchange");
    await gateway.stop();
    const output = gateway.output();
    assert.equal(exchangesIn(gateway).length, 7);
    assert.deepEqual(output.match(/hush-[a-z-]*-hush/g) ?? [], []);
    assert.ok(upstream.tokens.length > 0);
    for (const token of upstream.tokens) assert.ok(!output.includes(token));
    assert.doesNotMatch(output, /SELECT|PRIVATE KEY/);
  },
);

test("the level changes in every process while the gateway runs", OPTIONS, async (t) => {
  const log = { level: "info" } as const;
  const { gateway, write, target } = await served(t, { proxy: { listen: "127.0.0.1:0", workers: 2 }, log });
  const many = async (): Promise<void> => {
    for (let index = 0; index < 8; index += 1) await ask(target, { path: LIST, session: "mine" });
  };
  await many();
  for (let index = 0; index < 8; index += 1) await gateway.logged("exchange");
  write({ log: { level: "warn" }, archive: { enabled: false } });
  gateway.process.kill("SIGHUP");
  // A warning: it is told at the new level, too.
  await gateway.logged("these keys take effect at the next start");
  await many();
  write({ log: { level: "debug" } });
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  await many();
  await gateway.stop();
  const lines = exchangesIn(gateway);
  assert.equal(lines.length, 16);
  assert.deepEqual([...new Set(lines.map(({ worker }) => worker))].sort(), ["0", "1"]);
});

test("without log.exchanges exchanges are not logged, and everything else is", OPTIONS, async (t) => {
  const { gateway, write, target } = await served(t, { log: { exchanges: false } });
  await ask(target, { path: LIST, session: "mine" });
  write({ log: { exchanges: true } });
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  await ask(target, { path: LIST, session: "mine" });
  await gateway.stop();
  assert.equal(exchangesIn(gateway).length, 1);
  await gateway.logged("stopped");
});

test(
  "a log that nobody reads holds up nothing; how many lines that cost is said afterwards",
  OPTIONS,
  async (t) => {
    const fixture = fileURLToPath(new URL("./unread-log.fixture.ts", import.meta.url));
    const child = fork(fixture, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
    t.after(() => child.kill("SIGKILL"));
    const [written] = (await once(child, "message")) as [number];
    const chunks: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
    const [code] = await once(child, "close");
    assert.equal(code, 0);
    const lines = Buffer.concat(chunks).toString().trim().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as LogEntry);
    const told = entries.filter(({ msg }) => msg === "nobody read the log, so that lines were dropped");
    const dropped = told.reduce((sum, { lines: count }) => sum + Number(count), 0);
    assert.ok(dropped > 0);
    assert.equal(entries.length - told.length + dropped, written);
  },
);
