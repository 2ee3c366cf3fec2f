import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import { connect, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { ask2, collect, openHttp2 } from "../support/http2.ts";
import { frame, literal, PREFACE } from "../support/http2-frames.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Serve, startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const QUERIES = "/bigquery/v2/projects/p/queries";

async function agentOf(t: Parameters<typeof gatewayUnderTest>[0], serve: Serve) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, serve);
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const agent = await openHttp2({ port: gateway.proxy.port, ca: gateway.ca }, { session: "two" });
  t.after(() => agent.destroy());
  return { gateway, agent, upstream };
}

test("REST over HTTP/2 is answered and recorded as over HTTP/1.1", OPTIONS, async (t) => {
  const seen: string[] = [];
  const { gateway, agent, upstream } = await agentOf(t, (request, response, body) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
    response.setHeader("vary", ["Origin", "Referer"]);
    response.end('{"kind":"bigquery#queryResponse","totalRows":"1","rows":[{"f":[{"v":"1"}]}]}');
  });
  const body = Buffer.from('{"query":"SELECT 1"}');
  const head = {
    ":method": "POST",
    ":path": QUERIES,
    authorization: "Bearer agent",
    "content-type": "application/json",
  };
  const answer = await ask2(agent, head, body);
  assert.equal(answer.headers[":status"], 200);
  assert.equal(JSON.parse(answer.body.toString()).totalRows, "1");
  assert.equal(answer.headers.vary, "Origin, Referer");
  assert.deepEqual(seen, [`POST ${QUERIES} Bearer ${upstream.tokens[0]} ${body}`]);
  const [exchange] = await gateway.exchanges();
  assert.equal(answer.headers["bqtape-exchange"], exchange?.id);
  assert.deepEqual(
    [exchange?.httpVersion, exchange?.session, exchange?.operation, exchange?.sql, exchange?.outcome],
    ["2.0", "two", "jobs.query", "SELECT 1", "complete"],
  );
});

test("many exchanges share one HTTP/2 connection, and each gets its own answer", OPTIONS, async (t) => {
  const { gateway, agent } = await agentOf(t, (request, response) =>
    response.end(JSON.stringify(request.url)),
  );
  const paths = Array.from({ length: 60 }, (_, index) => `/bigquery/v2/projects/p${index}/datasets`);
  const answers = await Promise.all(paths.map((path) => ask2(agent, { ":path": path })));
  assert.deepEqual(
    answers.map(({ body }) => JSON.parse(body.toString())),
    paths,
  );
  assert.equal((await gateway.exchanges()).length, paths.length);
});

const HOSTS: readonly (readonly [headers: Record<string, string>, status: number])[] = [
  [{ ":authority": BIGQUERY_HOST }, 200],
  [{ ":authority": `${BIGQUERY_HOST}:443` }, 200],
  [{ ":authority": "evil.example" }, 421],
  [{ ":authority": BIGQUERY_HOST, host: "evil.example" }, 421],
];

for (const [headers, status] of HOSTS) {
  test(`HTTP/2 with ${JSON.stringify(headers)} is answered ${status}`, OPTIONS, async (t) => {
    const { gateway, agent } = await agentOf(t, (_request, response) => response.end("{}"));
    const answer = await ask2(agent, { ":path": "/bigquery/v2/projects", ...headers });
    assert.equal(answer.headers[":status"], status);
    const [exchange] = await gateway.exchanges();
    assert.deepEqual([exchange?.status, exchange?.outcome], [status, status === 200 ? "complete" : "denied"]);
  });
}

test("a :path with a fragment is refused, recorded, and not forwarded", OPTIONS, async (t) => {
  const seen: unknown[] = [];
  const { gateway, agent } = await agentOf(t, (request, response) => {
    seen.push(request.url);
    response.end("{}");
  });
  const answer = await ask2(agent, { ":path": "/bigquery/v2/projects/p#/queries/job" });
  assert.equal(answer.headers[":status"], 400);
  assert.deepEqual(seen, []);
  assert.deepEqual(
    (await gateway.exchanges()).map(({ outcome }) => outcome),
    ["denied"],
  );
});

test(
  "a request with two Content-Types over HTTP/2 is refused, recorded, and not forwarded",
  OPTIONS,
  async (t) => {
    const seen: unknown[] = [];
    const { gateway } = await agentOf(t, (request, response) => {
      seen.push(request.url);
      response.end("{}");
    });
    const { socket } = await connect(gateway.proxy.port, `${BIGQUERY_HOST}:443`);
    const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: gateway.ca, ALPNProtocols: ["h2"] });
    await once(secure, "secureConnect");
    const fields = [
      literal(":method", "GET"),
      literal(":scheme", "https"),
      literal(":authority", BIGQUERY_HOST),
      literal(":path", "/bigquery/v2/projects"),
      literal("content-type", "application/json"),
      literal("content-type", "multipart/mixed; boundary=x"),
    ];
    const request = frame(1, 5, 1, Buffer.concat(fields));
    // GOAWAY: the connection ends when the request has its answer.
    secure.write(Buffer.concat([PREFACE, frame(4, 0, 0), request, frame(7, 0, 0, Buffer.alloc(8))]));
    secure.resume();
    await once(secure, "close");
    assert.deepEqual(seen, []);
    assert.deepEqual(
      (await gateway.exchanges()).map(({ outcome, status }) => [outcome, status]),
      [["denied", 400]],
    );
  },
);

test("a CONNECT inside of HTTP/2 is refused, and recorded", OPTIONS, async (t) => {
  const { gateway, agent } = await agentOf(t, (_request, response) => response.end("{}"));
  const stream = agent.request({ ":method": "CONNECT", ":authority": `${BIGQUERY_HOST}:443` });
  const answer = await collect(stream);
  assert.equal(answer.headers[":status"], 403);
  assert.deepEqual(
    (await gateway.exchanges()).map(({ outcome }) => outcome),
    ["denied"],
  );
});

test("an upstream that breaks off resets the agent's stream", OPTIONS, async (t) => {
  const { gateway, agent } = await agentOf(t, (_request, response) => {
    response.writeHead(200, { "content-length": 1_000 });
    response.write("half of it", () => response.destroy());
  });
  const answer = await ask2(agent, { ":path": "/bigquery/v2/projects" });
  assert.notEqual(answer.rstCode, 0);
  assert.deepEqual(
    (await gateway.exchanges()).map(({ outcome }) => outcome),
    ["aborted"],
  );
});

test("an agent that resets its stream ends the exchange upstream", OPTIONS, async (t) => {
  const ended = Promise.withResolvers<void>();
  const { gateway, agent } = await agentOf(t, (_request, response) => {
    response.once("close", () => ended.resolve());
    response.write("{");
  });
  const stream = agent.request({ ":path": "/bigquery/v2/projects" });
  stream.on("error", () => undefined);
  await once(stream, "data");
  stream.close(8);
  await ended.promise;
  await gateway.archived();
  assert.deepEqual(
    (await gateway.exchanges()).map(({ error }) => error?.code),
    ["agent.gone"],
  );
});

// The listener's sockets stay open when their other side has ended, and HTTP/2 looks at nothing but a socket's close: the
// connection, its exchanges and what they hold once stayed for good.
test("an agent whose connection ends ends its exchanges upstream", OPTIONS, async (t) => {
  const ended = Promise.withResolvers<void>();
  const { agent } = await agentOf(t, (_request, response) => {
    response.once("close", () => ended.resolve());
    response.write("{");
  });
  const stream = agent.request({ ":path": "/bigquery/v2/projects" });
  stream.on("error", () => undefined);
  await once(stream, "data");
  agent.destroy();
  await ended.promise;
});

// Node shows such a stream when it is gone already; to answer its expectation once ended the process.
test("a request that expects a 100 and is reset in the same write harms nobody else", OPTIONS, async (t) => {
  const { gateway, agent } = await agentOf(t, (_request, response) => response.end("{}"));
  const { socket } = await connect(gateway.proxy.port, `${BIGQUERY_HOST}:443`);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: gateway.ca, ALPNProtocols: ["h2"] });
  t.after(() => secure.destroy());
  await once(secure, "secureConnect");
  const fields = [
    literal(":method", "POST"),
    literal(":scheme", "https"),
    literal(":authority", BIGQUERY_HOST),
    literal(":path", QUERIES),
    literal("expect", "100-continue"),
  ];
  const opening = [PREFACE, frame(4, 0, 0)];
  const request = [frame(1, 4, 1, Buffer.concat(fields)), frame(3, 0, 1, Buffer.from([0, 0, 0, 8]))];
  // A ping behind it, of which the answer tells that all was read.
  secure.write(Buffer.concat([...opening, ...request, frame(6, 0, 0, Buffer.alloc(8))]));
  await once(secure, "data");
  const answer = await ask2(agent, { ":path": "/bigquery/v2/projects" });
  assert.equal(answer.headers[":status"], 200);
});
