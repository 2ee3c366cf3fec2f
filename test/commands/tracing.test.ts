import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { createAuthority } from "../../src/certificates/authority.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";
import { bqtape } from "../support/command.ts";
import { ask, connect, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { ask2, field, framed, grpcHead, openHttp2, reply, startStorage } from "../support/http2.ts";
import { KIND, type ReceivedSpan, STATUS, startReceiver } from "../support/otlp.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { closedPort, type Serve, startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 60_000 } as const;
const QUERY = "/bigquery/v2/projects/shop/queries";
const LIST = "/bigquery/v2/projects";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

type Test = Parameters<typeof gatewayUnderTest>[0];
type ConfigInput = ReturnType<typeof testConfig>;

/** The configuration of a gateway that traces, before an upstream that notes what headers it gets. */
async function configured(
  t: Test,
  more: Partial<ConfigInput>,
  answer: Serve = (_, response) => response.end("{}"),
) {
  const directory = temporaryDirectory();
  const seen: IncomingHttpHeaders[] = [];
  const upstream = await startUpstream(directory, (request, response, body) => {
    seen.push(request.headers);
    answer(request, response, body);
  });
  t.after(() => upstream.close());
  return { directory, seen, upstream, input: testConfig(directory, upstream, more) };
}

/** The same, in this process. */
async function traced(t: Test, more: Partial<ConfigInput>, answer?: Serve) {
  const parts = await configured(t, more, answer);
  const gateway = await gatewayUnderTest(t, parts.input);
  return { ...parts, gateway, target: { port: gateway.proxy.port, ca: gateway.ca } };
}

function only(spans: readonly ReceivedSpan[], kind: number): ReceivedSpan {
  const [found, ...others] = spans.filter((span) => span.kind === kind);
  assert.ok(found !== undefined && others.length === 0);
  return found;
}

/** Whether as many exchanges came whole: their own spans are the first of theirs. */
function exchanges(count: number) {
  return (spans: readonly ReceivedSpan[]): boolean =>
    spans.filter(({ kind }) => kind === KIND.server).length >= count;
}

function parentIn(header: unknown): string {
  return /^00-[0-9a-f]{32}-([0-9a-f]{16})-01$/.exec(String(header))?.[1] ?? "";
}

test(
  "an agent's trace goes on: through the gateway's span, by that of its request upstream, to BigQuery",
  OPTIONS,
  async (t) => {
    const receiver = await startReceiver(t);
    const { target, seen } = await traced(t, { tracing: { endpoint: receiver.url } });
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "rojo=00f067aa0ba902b7" };
    await ask(target, { path: QUERY, body: '{"query":"SELECT 1"}', session: "mine", headers });
    await receiver.until(exchanges(1));
    const own = only(receiver.spans, KIND.server);
    const upstream = only(receiver.spans, KIND.client);
    assert.deepEqual([own.name, own.trace, own.parent], ["jobs.query", TRACE, PARENT]);
    assert.deepEqual(
      [upstream.name, upstream.trace, upstream.parent],
      ["jobs.query bigquery.googleapis.com:443", TRACE, own.id],
    );
    assert.equal(seen[0]?.traceparent, `00-${TRACE}-${upstream.id}-01`);
    assert.equal(seen[0]?.tracestate, headers.tracestate);
  },
);

test("each phase is a span, in its place and as long as it was", OPTIONS, async (t) => {
  const receiver = await startReceiver(t);
  const { target, gateway } = await traced(t, { tracing: { endpoint: receiver.url } });
  await ask(target, { path: QUERY, body: '{"query":"SELECT 1"}', session: "mine" });
  await receiver.until(exchanges(1));
  const own = only(receiver.spans, KIND.server);
  const upstream = only(receiver.spans, KIND.client);
  const phases = receiver.spans.filter(({ kind }) => kind === KIND.internal);
  assert.deepEqual(
    phases.map(({ name, parent }) => [
      name,
      parent === own.id ? "exchange" : parent === upstream.id && "upstream",
    ]),
    [
      ["receive", "exchange"],
      ["decide", "exchange"],
      ["commit", "exchange"],
      ["credential", "exchange"],
      ["upstreamFirstByte", "upstream"],
      ["upstream", "upstream"],
      ["release", "exchange"],
    ],
  );
  const [recorded] = await gateway.exchanges();
  assert.equal(own.attributes["bqtape.exchange"], recorded?.id);
  for (const [index, { name, from, to }] of phases.entries()) {
    const milliseconds = recorded?.phases[name as "receive"] ?? Number.NaN;
    // Microseconds in whole numbers: both ends of a span are rounded to one.
    assert.ok(
      Math.abs(Number(to - from) / 1e6 - milliseconds) <= 0.002,
      `${name}: ${to - from} ns, ${milliseconds} ms`,
    );
    const before = phases[index - 1]?.to ?? own.from;
    assert.ok(
      from - before <= 2_000n && before - from <= 2_000n,
      `${name} begins where the one before it ended`,
    );
    assert.ok(from >= own.from && to <= own.to + 1_000n);
  }
  assert.equal(upstream.from, phases[4]?.from);
});

test(
  "spans say who asked what of which table by OpenTelemetry's conventions, and nothing that was said",
  OPTIONS,
  async (t) => {
    const receiver = await startReceiver(t);
    const { target, upstream: files } = await traced(t, {
      tracing: { endpoint: receiver.url, serviceName: "tape" },
    });
    const table = "/bigquery/v2/projects/shop/datasets/sales/tables/orders";
    await ask(target, { path: `${table}?key=hush`, session: "mine", headers: { "user-agent": "hush" } });
    await receiver.until(exchanges(1));
    const { client_email } = JSON.parse(readFileSync(files.keyFile, "utf8"));
    const asked = {
      "http.request.method": "GET",
      "url.scheme": "https",
      "url.path": table,
      "server.address": "bigquery.googleapis.com",
      "server.port": 443,
      "db.system.name": "gcp.bigquery",
      "db.operation.name": "tables.get",
      "db.namespace": "shop|sales",
      "db.collection.name": "orders",
      "http.response.status_code": 200,
    };
    const own = only(receiver.spans, KIND.server);
    const {
      "client.port": port,
      "user.name": user,
      "bqtape.rule": rule,
      "bqtape.exchange": id,
      ...rest
    } = own.attributes;
    assert.ok([port, user, rule, id].every(Boolean));
    assert.deepEqual(rest, {
      ...asked,
      "client.address": "127.0.0.1",
      "network.protocol.version": "1.1",
      "session.id": "mine",
      "http.request.body.size": 0,
      "http.response.body.size": 2,
      "bqtape.effect": "allow",
      "bqtape.outcome": "complete",
    });
    assert.deepEqual(only(receiver.spans, KIND.client).attributes, {
      ...asked,
      "bqtape.credential": client_email,
    });
    const { "service.instance.id": instance, "service.version": version, ...service } = own.resource;
    assert.ok(instance && version);
    assert.deepEqual(service, { "service.name": "tape" });
    assert.doesNotMatch(JSON.stringify(receiver.spans.map(({ attributes }) => attributes)), /hush/);
  },
);

test("what fails is an error where it failed; what was denied is none", OPTIONS, async (t) => {
  const receiver = await startReceiver(t);
  const { target, gateway } = await traced(
    t,
    { tracing: { endpoint: receiver.url } },
    (request, response) => {
      if (request.url?.endsWith("/broken")) return response.destroy();
      response.statusCode = request.url?.endsWith("/missing") ? 404 : 503;
      response.end("{}");
    },
  );
  for (const path of ["broken", "missing", "failing"])
    await ask(target, { path: `${QUERY}/${path}`, session: "mine" });
  await ask(target, { path: "/unknown/door", session: "mine" });
  assert.equal((await connect(gateway.proxy.port, "elsewhere.example:443")).status, 403);
  await receiver.until(exchanges(5));
  const found = receiver.spans.filter(({ kind }) => kind !== KIND.internal);
  assert.deepEqual(
    found.map(({ name, kind, status, attributes }) => [
      name.split(" ")[0],
      kind === KIND.server ? "server" : "client",
      status === STATUS.error ? "error" : status,
      attributes["http.response.status_code"],
      attributes["error.type"],
    ]),
    [
      ["jobs.getQueryResults", "server", "error", 503, "upstream.UND_ERR_SOCKET"],
      ["jobs.getQueryResults", "client", "error", undefined, "upstream.UND_ERR_SOCKET"],
      ["jobs.getQueryResults", "server", 0, 404, undefined],
      ["jobs.getQueryResults", "client", "error", 404, "404"],
      ["jobs.getQueryResults", "server", "error", 503, "503"],
      ["jobs.getQueryResults", "client", "error", 503, "503"],
      ["unknown", "server", 0, 403, "denied.doors"],
      ["refused", "server", 0, 403, "connect.host"],
    ],
  );
});

test("a gRPC call is told as one", OPTIONS, async (t) => {
  const receiver = await startReceiver(t);
  const seen: IncomingHttpHeaders[] = [];
  const storage = await startStorage(t, (stream, headers) => {
    seen.push(headers);
    reply(stream, [field(3, "rows")]);
  });
  const directory = temporaryDirectory();
  const rest = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => rest.close());
  const gateway = await gatewayUnderTest(
    t,
    testConfig(directory, rest, {
      upstream: { overrides: { [STORAGE_HOST]: storage.url }, caFile: rest.caFile },
      tracing: { endpoint: receiver.url },
    }),
  );
  const agent = await openHttp2({ port: gateway.proxy.port, ca: gateway.ca }, { host: STORAGE_HOST });
  t.after(() => agent.destroy());
  const head = { ...grpcHead("BigQueryRead/ReadRows"), traceparent: `00-${TRACE}-${PARENT}-01` };
  await ask2(agent, head, framed(field(1, "projects/p/locations/us/sessions/abc/streams/s1")));
  await receiver.until(exchanges(1));
  const { attributes, trace } = only(receiver.spans, KIND.server);
  assert.equal(trace, TRACE);
  assert.deepEqual(
    ["rpc.system.name", "rpc.method", "rpc.status_code", "network.protocol.version"].map(
      (name) => attributes[name],
    ),
    ["grpc", "google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows", "OK", "2"],
  );
  assert.equal(parentIn(seen[0]?.traceparent), only(receiver.spans, KIND.client).id);
});

test(
  "what an agent does not sample, the gateway does not either, and passes on as it came",
  OPTIONS,
  async (t) => {
    const receiver = await startReceiver(t);
    const { target, seen } = await traced(t, { tracing: { endpoint: receiver.url } });
    const traceparent = `00-${TRACE}-${PARENT}-00`;
    await ask(target, { path: LIST, session: "mine", headers: { traceparent } });
    await ask(target, {
      path: LIST,
      session: "mine",
      headers: { traceparent: `00-${"c".repeat(32)}-${PARENT}-01` },
    });
    await receiver.until(exchanges(1));
    assert.equal(seen[0]?.traceparent, traceparent);
    assert.deepEqual([...new Set(receiver.spans.map(({ trace }) => trace))], ["c".repeat(32)]);
  },
);

test(
  "of the traces that it begins, the gateway samples a part, and tells upstream which",
  OPTIONS,
  async (t) => {
    const receiver = await startReceiver(t);
    const { target, seen } = await traced(t, { tracing: { endpoint: receiver.url, sampleRatio: 0.5 } });
    const invalid = { traceparent: `00-${"0".repeat(32)}-${PARENT}-01`, tracestate: "rojo=1" };
    await Promise.all(
      Array.from({ length: 40 }, () => ask(target, { path: LIST, session: "mine", headers: invalid })),
    );
    const flags = seen.map(
      ({ traceparent }) => /^00-[0-9a-f]{32}-[0-9a-f]{16}-(0[01])$/.exec(String(traceparent))?.[1],
    );
    const sampled = seen.filter((_, index) => flags[index] === "01");
    // With one half, that it is none or all of 40 happens once in 10^12 runs.
    assert.ok(sampled.length > 0 && sampled.length < 40);
    assert.ok(flags.every(Boolean));
    // What tools noted with a trace that counts for nothing counts for nothing either.
    assert.ok(seen.every(({ tracestate }) => tracestate === undefined));
    await receiver.until(exchanges(sampled.length));
    const traces = (of: readonly IncomingHttpHeaders[]) =>
      of.map(({ traceparent }) => String(traceparent).slice(3, 35));
    assert.deepEqual(new Set(receiver.spans.map(({ trace }) => trace)), new Set(traces(sampled)));
  },
);

test("an exemplar names the trace that the gateway began", OPTIONS, async (t) => {
  const receiver = await startReceiver(t);
  const { target, gateway } = await traced(t, { tracing: { endpoint: receiver.url } });
  await ask(target, { path: LIST, session: "mine" });
  await receiver.until(exchanges(1));
  const { trace } = only(receiver.spans, KIND.server);
  const accept = "application/openmetrics-text";
  const metrics = await fetch(`http://127.0.0.1:${gateway.control.port}/metrics`, { headers: { accept } });
  assert.match(await metrics.text(), new RegExp(`added_latency_seconds_bucket.*trace_id="${trace}"`));
});

test("without tracing, what an agent says of its trace goes on as it came", OPTIONS, async (t) => {
  const { target, seen } = await traced(t, {});
  const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "rojo=1" };
  await ask(target, { path: LIST, session: "mine", headers });
  assert.deepEqual([seen[0]?.traceparent, seen[0]?.tracestate], [headers.traceparent, headers.tracestate]);
});

test("without tracing, nothing of OpenTelemetry's is loaded", OPTIONS, async (t) => {
  const { directory, input, seen } = await configured(t, {});
  const file = join(directory, "bqtape.yaml");
  writeFileSync(file, JSON.stringify(input));
  const trap = new URL("./no-opentelemetry.fixture.ts", import.meta.url).href;
  const gateway = await serve(t, file, { NODE_OPTIONS: `--import=${trap}` });
  const ca = readFileSync(String(input.ca?.cert), "utf8");
  await ask({ port: gateway.port, ca }, { path: LIST, session: "mine" });
  assert.equal(seen.length, 1);
  assert.equal(await gateway.stop(), 0);
  // The trap would have told.
  const tracing = { endpoint: "http://127.0.0.1:4318" };
  writeFileSync(file, JSON.stringify({ ...input, tracing }));
  const ran = await bqtape(["serve", "--config", file], { env: { NODE_OPTIONS: `--import=${trap}` } });
  assert.match(ran.stderr, /loaded @opentelemetry/);
});

test(
  "a receiver that is away, or never answers, holds up neither traffic nor the end",
  OPTIONS,
  async (t) => {
    const silent = await startReceiver(t, { instead: () => undefined });
    for (const endpoint of [`http://127.0.0.1:${await closedPort()}`, silent.url]) {
      const { target, gateway } = await traced(t, { tracing: { endpoint } });
      for (let index = 0; index < 20; index += 1) {
        const { status } = await ask(target, { path: LIST, session: "mine" });
        assert.equal(status, 200);
      }
      const from = performance.now();
      await gateway.drain();
      // Two seconds are for the spans.
      assert.ok(performance.now() - from < 5_000);
    }
  },
);

test(
  "spans that are lost are counted, and told of once; so is that they come through again",
  OPTIONS,
  async (t) => {
    const receiver = createServer((request, response) => {
      request.resume().on("end", () => response.writeHead(status).end());
    });
    let status = 400;
    receiver.listen(0, "127.0.0.1");
    await once(receiver, "listening");
    t.after(() => receiver.closeAllConnections());
    t.after(() => receiver.close());
    const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    const { directory, input } = await configured(t, { tracing: { endpoint } });
    const file = join(directory, "bqtape.yaml");
    writeFileSync(file, JSON.stringify(input));
    const gateway = await serve(t, file);
    const target = { port: gateway.port, ca: readFileSync(String(input.ca?.cert), "utf8") };
    const told = "spans cannot be exported; they are dropped";
    await ask(target, { path: LIST, session: "mine" });
    assert.equal((await gateway.logged(told)).endpoint, endpoint);
    await ask(target, { path: LIST, session: "mine" });
    const lost = async (): Promise<number> => {
      const metrics = await fetch(`http://127.0.0.1:${gateway.controlPort}/metrics`);
      return Number(/^bqtape_trace_spans_total\{result="dropped"\} (\d+)$/m.exec(await metrics.text())?.[1]);
    };
    // Told of once, so nothing tells of the second time.
    while ((await lost()) < 18) await delay(20);
    status = 200;
    await ask(target, { path: LIST, session: "mine" });
    assert.equal((await gateway.logged(/exported again/)).dropped, 18);
    await gateway.stop();
    assert.equal(gateway.output().split(told).length, 2);
  },
);

test("spans that wait when the gateway stops are exported first, of every worker", OPTIONS, async (t) => {
  const receiver = await startReceiver(t);
  const proxied: string[] = [];
  const trap = createServer((request, response) => {
    proxied.push(String(request.url));
    response.writeHead(502).end();
  }).on("connect", (request, socket) => {
    proxied.push(String(request.url));
    socket.destroy();
  });
  trap.listen(0, "127.0.0.1");
  await once(trap, "listening");
  t.after(() => trap.close());
  const proxy = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`;
  const { directory, input } = await configured(t, {
    proxy: { listen: "127.0.0.1:0", workers: 2 },
    tracing: { endpoint: receiver.url },
  });
  const file = join(directory, "bqtape.yaml");
  writeFileSync(file, JSON.stringify(input));
  // A proxy of the environment may be this very gateway.
  const gateway = await serve(t, file, {
    NODE_USE_ENV_PROXY: "1",
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NO_PROXY: "",
  });
  const target = { port: gateway.port, ca: readFileSync(String(input.ca?.cert), "utf8") };
  for (let index = 0; index < 8; index += 1) await ask(target, { path: LIST, session: "mine" });
  assert.equal(await gateway.stop(), 0);
  assert.equal(receiver.spans.filter(({ kind }) => kind === KIND.server).length, 8);
  assert.equal(new Set(receiver.spans.map(({ resource }) => resource["service.instance.id"])).size, 2);
  assert.deepEqual(proxied, []);
});

test(
  "a receiver behind TLS and a credential gets both; a new credential is taken as it is written",
  OPTIONS,
  async (t) => {
    const authority = await createAuthority({ commonName: "test receiver" });
    const receiver = await startReceiver(t, { tls: await issueLeaf(authority, { hosts: ["127.0.0.1"] }) });
    const directory = temporaryDirectory();
    const [caFile, headersFile] = [join(directory, "ca.pem"), join(directory, "headers")];
    writeFileSync(caFile, authority.certificatePem);
    writeFileSync(headersFile, "Authorization: Bearer one\nx-scope: shop\n");
    const { target } = await traced(t, { tracing: { endpoint: `${receiver.url}/`, caFile, headersFile } });
    await ask(target, { path: LIST, session: "mine" });
    await receiver.until(exchanges(1));
    writeFileSync(headersFile, "Authorization: Bearer two\n");
    await ask(target, { path: LIST, session: "mine" });
    await receiver.until(exchanges(2));
    assert.deepEqual(
      receiver.headers.map((headers) => [headers.authorization, headers["x-scope"]]),
      [
        ["Bearer one", "shop"],
        ["Bearer two", undefined],
      ],
    );
  },
);
