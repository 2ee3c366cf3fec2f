import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { BIGQUERY_HOST, STORAGE_HOST } from "../../../src/bigquery/hosts.ts";
import { ask2, field, framed, grpcHead, openHttp2, reply, startStorage } from "../../support/http2.ts";
import { stock } from "./stock.ts";
import { defect, open, ours, read, type Side, send, upstreamOf } from "./support.ts";

defect(10, "a gRPC call over HTTP/2 gets its messages and, in the trailers, its status", {
  async bqtape(t) {
    const rest = await upstreamOf(t, (_request, response) => response.end("{}"));
    const storage = await startStorage(t, (stream) => reply(stream, [field(3, "rows")], 0));
    const overrides = { [STORAGE_HOST]: storage.url, [BIGQUERY_HOST]: rest.url };
    const side = await ours(t, rest, { upstream: { overrides, caFile: rest.caFile } });
    const agent = await openHttp2(side, { host: STORAGE_HOST });
    t.after(() => agent.destroy());
    assert.equal(agent.alpnProtocol, "h2");
    const request = framed(field(1, "projects/p/locations/us/sessions/abc/streams/s1"));
    const answer = await ask2(agent, grpcHead("BigQueryRead/ReadRows"), request);
    assert.equal(answer.headers[":status"], 200);
    assert.deepEqual(answer.body, framed(field(3, "rows")));
    assert.equal(answer.trailers["grpc-status"], "0");
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await stock(t, [upstream]);
    assert.notEqual((await open(t, side, { protocols: ["h2", "http/1.1"] })).alpnProtocol, "h2");
    // gRPC's clients offer nothing else.
    await assert.rejects(open(t, side, { protocols: ["h2"] }), /no application protocol/);
  },
});

/** An upstream that answers with a header for its neighbour alone, and what it was sent over which connections. */
async function neighbour(t: TestContext) {
  const connections = new Set<Socket>();
  const seen: IncomingHttpHeaders[] = [];
  const upstream = await upstreamOf(t, (request, response) => {
    connections.add(request.socket);
    seen.push(request.headers);
    response.setHeader("proxy-authenticate", "Basic");
    response.end("{}");
  });
  return { upstream, connections, seen };
}

/** Two queries as Node's client sends them: a connection for each, and `Connection: close`. */
async function twoQueries(t: TestContext, side: Side) {
  const headers = { connection: "close, x-mine", "x-mine": "1", te: "trailers" };
  const answers: IncomingHttpHeaders[] = [];
  for (const _ of [1, 2]) {
    const answer = await send(await open(t, side), side, { headers });
    await read(answer);
    answers.push(answer.headers);
  }
  return answers;
}

defect(14, "hop-by-hop headers end at the gateway, so queries share an upstream connection", {
  async bqtape(t) {
    const { upstream, connections, seen } = await neighbour(t);
    const answers = await twoQueries(t, await ours(t, upstream));
    assert.equal(connections.size, 1);
    for (const headers of seen) {
      assert.doesNotMatch(String(headers.connection), /close|x-mine/);
      assert.deepEqual([headers["x-mine"], headers.te], [undefined, undefined]);
    }
    for (const headers of answers) assert.equal(headers["proxy-authenticate"], undefined);
  },
  async stock(t) {
    const { upstream, connections, seen } = await neighbour(t);
    const answers = await twoQueries(t, await stock(t, [upstream]));
    assert.equal(connections.size, 2);
    for (const headers of seen) {
      assert.deepEqual(
        [headers.connection, headers["x-mine"], headers.te],
        ["close, x-mine", "1", "trailers"],
      );
    }
    for (const headers of answers) assert.equal(headers["proxy-authenticate"], "Basic");
  },
});

/** An answer with everything that HTTP has besides a head and a body, to a request that expects to be told to go on. */
async function everything(t: TestContext, sideOf: (upstream: Upstream) => Promise<Side>) {
  let expected: string | undefined;
  const upstream = await upstreamOf(t, (request, response) => {
    expected = request.headers.expect;
    response.writeEarlyHints({ link: "</style.css>; rel=preload" });
    response.writeHead(200, "Quite Fine", { trailer: "x-checksum" });
    response.write("{");
    response.addTrailers({ "x-checksum": "abc" });
    response.end("}");
  });
  const side = await sideOf(upstream);
  let continued = 0;
  const answer = await send(await open(t, side), side, {
    path: "/bigquery/v2/projects/p/queries",
    headers: { expect: "100-continue", "content-type": "application/json" },
    body: '{"query":"SELECT 1"}',
    onContinue: () => {
      continued += 1;
    },
  });
  const { text } = await read(answer);
  return {
    message: answer.statusMessage,
    text,
    trailers: { ...answer.trailers },
    continued,
    expected,
  };
}

type Upstream = Awaited<ReturnType<typeof upstreamOf>>;

defect(16, "status message and trailers arrive, and an expectation is answered once and goes no further", {
  async bqtape(t) {
    assert.deepEqual(await everything(t, (upstream) => ours(t, upstream)), {
      message: "Quite Fine",
      text: "{}",
      trailers: { "x-checksum": "abc" },
      continued: 1,
      expected: undefined,
    });
  },
  async stock(t) {
    assert.deepEqual(await everything(t, (upstream) => stock(t, [upstream])), {
      message: "OK",
      text: "{}",
      trailers: {},
      continued: 1,
      expected: "100-continue",
    });
  },
});
