import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as dial } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { ask, connect, type GatewayUnderTest, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { closedPort, startUpstream, writeServiceAccount } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;

interface BigQueryError {
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly errors: readonly { message: string; reason: string }[];
  };
}

/** A gateway before an upstream that must not be reached, and how often it was. */
async function guarded(
  t: Parameters<typeof gatewayUnderTest>[0],
): Promise<{ gateway: GatewayUnderTest; reached: string[] }> {
  const directory = temporaryDirectory();
  const reached: string[] = [];
  const upstream = await startUpstream(directory, (request, response) => {
    reached.push(`${request.method} ${request.url}`);
    response.end("{}");
  });
  t.after(() => upstream.close());
  return { gateway: await gatewayUnderTest(t, testConfig(directory, upstream)), reached };
}

const BAD_AUTHORITIES: readonly (readonly [authority: string, status: number, why: RegExp])[] = [
  ["bigquery.googleapis.com", 400, /host:port/],
  ["bigquery.googleapis.com:443/path", 400, /host:port/],
  ["https://bigquery.googleapis.com:443", 400, /host:port/],
  ["user@bigquery.googleapis.com:443", 400, /not a valid name/],
  ["../../pwned:443", 400, /not a valid name/],
  ["bigquery.googleapis.com:0", 400, /does not exist/],
  ["bigquery.googleapis.com:99999", 400, /does not exist/],
  ["bigquery.googleapis.com:80", 403, /not a host that this gateway serves/],
  ["bigquery.mtls.googleapis.com:443", 403, /wants a client certificate/],
  ["evil.example:443", 403, /not a host that this gateway serves/],
  ["169.254.169.254:443", 403, /not a host that this gateway serves/],
  ["[::1]:443", 403, /not a host that this gateway serves/],
  ["bigquery.googleapis.com.evil.example:443", 403, /not a host that this gateway serves/],
];

for (const [authority, status, why] of BAD_AUTHORITIES) {
  test(`CONNECT ${authority} is refused with ${status}, in words, and recorded`, OPTIONS, async (t) => {
    const { gateway } = await guarded(t);
    const answer = await connect(gateway.proxy.port, authority);
    assert.equal(answer.status, status);
    assert.match(answer.body, why);
    const [exchange] = await gateway.exchanges();
    assert.deepEqual(
      [exchange?.method, exchange?.target, exchange?.outcome, exchange?.status],
      ["CONNECT", authority, "denied", status],
    );
  });
}

test("a proxy credential that names no session gets 407 and a challenge", OPTIONS, async (t) => {
  const { gateway } = await guarded(t);
  const answer = await connect(gateway.proxy.port, "bigquery.googleapis.com:443", {
    "proxy-authorization": `Basic ${Buffer.from("bqtape:no such/session").toString("base64")}`,
  });
  assert.equal(answer.status, 407);
  assert.equal(answer.headers["proxy-authenticate"], 'Basic realm="bqtape"');
});

test("plain HTTP through the proxy port is refused: it is no open proxy", OPTIONS, async (t) => {
  const { gateway } = await guarded(t);
  const answer = await fetch(`http://127.0.0.1:${gateway.proxy.port}/`, {
    headers: { host: "169.254.169.254" },
  });
  assert.equal(answer.status, 400);
});

/** A long GET, as Python's clients send it. */
const FORM = { "x-http-method-override": "GET", "content-type": "application/x-www-form-urlencoded" };
/** A body that a GET has no use for. */
const GET_FORM = { "content-type": "application/x-www-form-urlencoded", "content-length": "5" };
/** Which of them BigQuery reads is not known. */
const TWO_TYPES = { "content-type": ["application/json", "multipart/mixed; boundary=x"] };
const GZIP_FORM = { ...FORM, "content-encoding": "gzip" };

/** A job id that fits into a body and into no event. */
const LONG_NAME = JSON.stringify({ jobReference: { jobId: "\u0001".repeat(1_000_000) } });

const REFUSED: readonly (readonly [request: Parameters<typeof ask>[1], status: number, reason: string])[] = [
  [{ path: "/bigquery/v2/projects", headers: { host: "evil.example" } }, 421, "invalid"],
  [{ path: "/upload/bigquery/v2/projects/p/jobs", body: "{}" }, 400, "invalid"],
  [{ path: "/upload/storage/v1/b", body: "{}" }, 403, "accessDenied"],
  [{ path: "/batch/bigquery/v2", body: "{}" }, 403, "accessDenied"],
  [{ path: "/mcp", body: "{}" }, 403, "accessDenied"],
  [{ path: "/discovery/v1/apis" }, 403, "accessDenied"],
  [{ path: "/storage/v1/b" }, 403, "accessDenied"],
  [{ path: "/bigquery/v2/projects/p/unheard" }, 403, "accessDenied"],
  [{ path: "/bigquery/v2/projects/p/datasets/..%2f..%2fx" }, 403, "accessDenied"],
  [{ path: "/bigquery/v2/projects/p/datasets/d/tables/.." }, 403, "accessDenied"],
  [{ path: "/bigquery/v2/projects/p#/queries/job" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?fields=a#b" }, 400, "invalid"],
  [{ path: "/upload/bigquery/v2/projects/p/jobs?uploadType=media#", body: "x" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?callback=f" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?alt=media" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects/p/queries", body: "SELECT 1" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects/p/jobs?a=long-name", body: LONG_NAME }, 400, "invalid"],
  [
    { path: "/bigquery/v2/projects/p/queries", body: "x", headers: { "content-encoding": "br" } },
    400,
    "invalid",
  ],
  [{ path: "/bigquery/v2/projects", headers: { "x-http-method-override": "DELETE" } }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects/p/queries", headers: TWO_TYPES, body: "{}" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects", headers: FORM, body: "maxResults=1&access_token=x" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?a=b", headers: FORM, body: "access%5Ftoken=x" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?%24httpMethod=DELETE" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?upload_protocol=raw" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?e=f", headers: FORM, body: "a=b&%24alt=media" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?g=h", headers: FORM, body: "callback=f" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects?c=d", headers: FORM, body: "key=x" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects", headers: GET_FORM, body: "key=x", method: "GET" }, 400, "invalid"],
  [{ path: "/bigquery/v2/projects", headers: GZIP_FORM, body: gzipSync("access_token=x") }, 400, "invalid"],
];

for (const [request, status, reason] of REFUSED) {
  const what = `${request.body === undefined ? "GET" : "POST"} ${request.path} ${JSON.stringify(request.headers ?? {})}`;
  test(`${what} is refused in BigQuery's words, recorded, and not forwarded`, OPTIONS, async (t) => {
    const { gateway, reached } = await guarded(t);
    const answer = await ask({ port: gateway.proxy.port, ca: gateway.ca }, request);
    const { error } = JSON.parse(answer.body.toString()) as BigQueryError;
    assert.equal(answer.status, status);
    assert.deepEqual([error.code, error.errors[0]?.reason], [status, reason]);
    assert.equal(error.message, error.errors[0]?.message);
    assert.match(error.message, /^bqtape: /);
    assert.deepEqual(reached, []);
    const [exchange] = await gateway.exchanges();
    assert.deepEqual([exchange?.outcome, exchange?.status], ["denied", status]);
  });
}

test("a body over 10 MiB is refused with 413", OPTIONS, async (t) => {
  const { gateway, reached } = await guarded(t);
  const body = JSON.stringify({ query: "x".repeat(10 * 1024 * 1024) });
  const answer = await ask(
    { port: gateway.proxy.port, ca: gateway.ca },
    { path: "/bigquery/v2/projects/p/queries", body },
  );
  assert.equal(answer.status, 413);
  assert.deepEqual(reached, []);
});

test("an upstream that is down is told as 503, and recorded", OPTIONS, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const down = { ...upstream, url: `https://127.0.0.1:${await closedPort()}` };
  const gateway = await gatewayUnderTest(t, testConfig(directory, down));
  const answer = await ask({ port: gateway.proxy.port, ca: gateway.ca }, { path: "/bigquery/v2/projects" });
  assert.equal(answer.status, 503);
  assert.match(answer.body.toString(), /bqtape: BigQuery cannot be reached \(ECONNREFUSED\)/);
  const [exchange] = await gateway.exchanges();
  assert.deepEqual(
    [exchange?.status, exchange?.answeredBy, exchange?.error?.code],
    [503, "gateway", "upstream.ECONNREFUSED"],
  );
});

test(
  "an upstream whose certificate is not trusted is told as 502, and gets no credential",
  OPTIONS,
  async (t) => {
    const directory = temporaryDirectory();
    const upstream = await startUpstream(directory, () => assert.fail("it was reached"));
    const other = await startUpstream(temporaryDirectory(), (_request, response) => response.end("{}"));
    t.after(() => Promise.all([upstream.close(), other.close()]));
    const gateway = await gatewayUnderTest(
      t,
      testConfig(directory, { url: upstream.url, caFile: other.caFile, keyFile: other.keyFile }),
    );
    const answer = await ask({ port: gateway.proxy.port, ca: gateway.ca }, { path: "/bigquery/v2/projects" });
    assert.equal(answer.status, 502);
    assert.match(answer.body.toString(), /certificate was not accepted/);
    assert.equal((await gateway.exchanges())[0]?.status, 502);
  },
);

test("without a credential nothing is forwarded, and the agent is told 503", OPTIONS, async (t) => {
  const directory = temporaryDirectory();
  const reached: string[] = [];
  const upstream = await startUpstream(directory, (request) => reached.push(request.url ?? ""));
  t.after(() => upstream.close());
  const keyFile = writeServiceAccount(temporaryDirectory(), `https://127.0.0.1:${await closedPort()}/token`);
  const gateway = await gatewayUnderTest(t, testConfig(directory, { ...upstream, keyFile }));
  const answer = await ask({ port: gateway.proxy.port, ca: gateway.ca }, { path: "/bigquery/v2/projects" });
  assert.equal(answer.status, 503);
  assert.match(answer.body.toString(), /has no credential for BigQuery now/);
  assert.deepEqual(reached, []);
});

// The refusal is written to a socket that nobody listens to but the gateway; its error once ended the process.
test("an agent that asks for an upgrade and resets its connection harms nobody else", OPTIONS, async (t) => {
  const { gateway } = await guarded(t);
  const socket = dial(gateway.proxy.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  socket.resetAndDestroy();
  await once(socket, "close");
  assert.equal((await connect(gateway.proxy.port, "evil.example:443")).status, 403);
});

// Each of them used to add to the socket, until Node warned of a leak.
test("of many requests in one write on the bare port, one is refused and recorded", OPTIONS, async (t) => {
  const { gateway } = await guarded(t);
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  const many = "GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n".repeat(30);
  const gone = dial(gateway.proxy.port, "127.0.0.1");
  gone.write(many, () => gone.resetAndDestroy());
  await once(gone, "close");
  const socket = dial(gateway.proxy.port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    answer += text;
  });
  socket.write(many);
  await once(socket, "close");
  assert.equal(answer.match(/HTTP\/1\.1 400/g)?.length, 1);
  // One of each connection; of the one that was reset perhaps none.
  const outcomes = (await gateway.exchanges()).map(({ outcome }) => outcome);
  assert.ok(outcomes.length <= 2 && outcomes.at(-1) === "denied", String(outcomes));
  assert.deepEqual(warnings, []);
});
