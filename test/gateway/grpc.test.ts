import assert from "node:assert/strict";
import { once } from "node:events";
import { constants, type ServerHttp2Stream } from "node:http2";
import { test } from "node:test";
import { queryObjects } from "node:v8";
import { BIGQUERY_HOST, STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { GrpcAnswer } from "../../src/gateway/upstream-grpc.ts";
import { gatewayUnderTest, testConfig } from "../support/gateway.ts";
import {
  ask2,
  collect,
  field,
  framed,
  grpcHead,
  openHttp2,
  reply,
  type ServeCall,
  startStorage,
} from "../support/http2.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { closedPort, startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const TABLE = "projects/data/datasets/shop/tables/orders";
const SESSION = "projects/p/locations/us/sessions/abc";
const STREAM = `${SESSION}/streams/s1`;
const READ_ROWS = framed(field(1, STREAM));

async function storageOf(
  t: Parameters<typeof gatewayUnderTest>[0],
  serve: ServeCall,
  { early = false, url }: { early?: boolean; url?: string } = {},
) {
  const directory = temporaryDirectory();
  const rest = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => rest.close());
  const upstream = await startStorage(t, serve, { early });
  const overrides = { [STORAGE_HOST]: url ?? upstream.url, [BIGQUERY_HOST]: rest.url };
  const gateway = await gatewayUnderTest(
    t,
    testConfig(directory, rest, { upstream: { overrides, caFile: rest.caFile } }),
  );
  const agent = await openHttp2({ port: gateway.proxy.port, ca: gateway.ca }, { host: STORAGE_HOST });
  t.after(() => agent.destroy());
  return { gateway, agent, upstream, rest };
}

test("a read session tells its table, and so do the streams that are read of it", OPTIONS, async (t) => {
  const { gateway, agent } = await storageOf(t, (stream, headers) => {
    const created = String(headers[":path"]).endsWith("CreateReadSession");
    reply(stream, [created ? field(1, SESSION) : field(3, "rows"), ...(created ? [] : [field(3, "more")])]);
  });
  const session = Buffer.concat([field(6, TABLE), field(8, field(1, "id"))]);
  const request = Buffer.concat([field(1, "projects/p"), field(2, session)]);
  const created = await ask2(agent, grpcHead("BigQueryRead/CreateReadSession"), framed(request));
  assert.equal(created.trailers["grpc-status"], "0");
  const read = await ask2(agent, grpcHead("BigQueryRead/ReadRows"), READ_ROWS);
  assert.deepEqual(read.body, Buffer.concat([framed(field(3, "rows")), framed(field(3, "more"))]));
  assert.deepEqual(
    (await gateway.exchanges()).map((exchange) => [
      exchange.operation,
      exchange.project,
      exchange.dataset,
      exchange.table,
      exchange.columns,
      exchange.stream,
      exchange.grpcStatus,
      exchange.outcome,
    ]),
    [
      ["storage.CreateReadSession", "data", "shop", "orders", ["id"], undefined, 0, "complete"],
      ["storage.ReadRows", "data", "shop", "orders", ["id"], STREAM, 0, "complete"],
    ],
  );
});

test("the agent's credential is replaced, and its deadline and metadata go on", OPTIONS, async (t) => {
  let seen: Record<string, unknown> = {};
  const { agent, rest } = await storageOf(t, (stream, headers) => {
    seen = headers;
    reply(stream, []);
  });
  const more = { "grpc-timeout": "30S", "x-goog-request-params": "a=b" };
  await ask2(agent, grpcHead("BigQueryRead/ReadRows", more), READ_ROWS);
  assert.equal(seen.authorization, `Bearer ${rest.tokens[0]}`);
  assert.deepEqual(
    [seen[":authority"], seen.te, seen["grpc-timeout"], seen["x-goog-request-params"]],
    [STORAGE_HOST, "trailers", "30S", "a=b"],
  );
});

test("an error without a body (trailers-only) arrives as one", OPTIONS, async (t) => {
  const { gateway, agent } = await storageOf(t, (stream) => {
    const headers = {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": "5",
      "grpc-message": "no%20such",
    };
    stream.respond(headers, { endStream: true });
  });
  const answer = await ask2(agent, grpcHead("BigQueryRead/ReadRows"), READ_ROWS);
  assert.deepEqual(
    [answer.headers["grpc-status"], answer.headers["grpc-message"], answer.trailers, answer.rstCode],
    ["5", "no%20such", {}, 0],
  );
  assert.deepEqual(
    (await gateway.exchanges()).map(({ outcome }) => outcome),
    ["complete"],
  );
});

const REFUSED: readonly (readonly [method: string, body: Buffer, status: string])[] = [
  ["BigQueryRead/DropEverything", READ_ROWS, "7"],
  ["Unheard/ReadRows", READ_ROWS, "7"],
  ["BigQueryRead/ReadRows", framed(Buffer.from([0xff, 0xff])), "3"],
  ["BigQueryRead/ReadRows", Buffer.concat([READ_ROWS, READ_ROWS]), "3"],
  ["BigQueryRead/ReadRows", READ_ROWS.subarray(0, 9), "3"],
  ["BigQueryWrite/AppendRows", framed(field(1, "no table")), "3"],
];

for (const [method, body, status] of REFUSED) {
  test(
    `${method} with ${body.toString("hex").slice(0, 20)} is refused with ${status}, recorded, not forwarded`,
    OPTIONS,
    async (t) => {
      const { gateway, agent } = await storageOf(t, () => assert.fail("it was reached"));
      const answer = await ask2(agent, grpcHead(method), body);
      assert.equal(answer.headers["grpc-status"], status);
      assert.match(decodeURIComponent(String(answer.headers["grpc-message"])), /^bqtape: /);
      assert.deepEqual(
        (await gateway.exchanges()).map(({ outcome }) => outcome),
        ["denied"],
      );
    },
  );
}

test("an upstream that is down is told as UNAVAILABLE", OPTIONS, async (t) => {
  const { agent } = await storageOf(t, () => undefined, { url: `http://127.0.0.1:${await closedPort()}` });
  const answer = await ask2(agent, grpcHead("BigQueryRead/ReadRows"), READ_ROWS);
  assert.equal(answer.headers["grpc-status"], "14");
});

test(
  "a call that outlives its deadline is cancelled upstream and told as DEADLINE_EXCEEDED",
  OPTIONS,
  async (t) => {
    const closed = Promise.withResolvers<number | undefined>();
    const { agent } = await storageOf(t, (stream) => {
      stream.once("close", () => closed.resolve(stream.rstCode));
    });
    const answer = await ask2(
      agent,
      grpcHead("BigQueryRead/ReadRows", { "grpc-timeout": "200m" }),
      READ_ROWS,
    );
    assert.equal(answer.headers["grpc-status"], "4");
    assert.equal(await closed.promise, 8);
  },
);

test("an agent that cancels cancels upstream within a second", OPTIONS, async (t) => {
  const closed = Promise.withResolvers<number | undefined>();
  const { gateway, agent } = await storageOf(t, (stream) => {
    stream.once("close", () => closed.resolve(stream.rstCode));
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.write(framed(field(3, "rows")));
  });
  const stream = agent.request(grpcHead("BigQueryRead/ReadRows"), { endStream: false });
  stream.on("error", () => undefined);
  stream.end(READ_ROWS);
  await once(stream, "data");
  const before = performance.now();
  stream.close(8);
  assert.equal(await closed.promise, 8);
  assert.ok(performance.now() - before < 1_000);
  const [exchange] = await gateway.exchanges();
  assert.deepEqual([exchange?.outcome, exchange?.error?.code], ["aborted", "agent.gone"]);
});

test(
  "an upstream that resets in the middle breaks the agent's answer, recorded as aborted",
  OPTIONS,
  async (t) => {
    const { gateway, agent } = await storageOf(t, (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(framed(field(3, "rows")), () => stream.destroy(new Error("broken")));
    });
    const answer = await ask2(agent, grpcHead("BigQueryRead/ReadRows"), READ_ROWS);
    assert.notEqual(answer.rstCode, 0);
    assert.deepEqual(answer.trailers, {});
    const [exchange] = await gateway.exchanges();
    assert.deepEqual(
      [exchange?.outcome, exchange?.error?.code],
      ["aborted", "upstream.NGHTTP2_INTERNAL_ERROR"],
    );
  },
);

test("after GOAWAY the call in flight finishes, and the next has a new connection", OPTIONS, async (t) => {
  const held: ServerHttp2Stream[] = [];
  const arrived = Promise.withResolvers<void>();
  const { agent, upstream } = await storageOf(t, (stream) => {
    held.push(stream);
    if (held.length > 1) return reply(stream, []);
    arrived.resolve();
  });
  const first = ask2(agent, grpcHead("BigQueryRead/ReadRows"), READ_ROWS);
  await arrived.promise;
  upstream.sessions[0]?.goaway(0);
  const second = await ask2(agent, grpcHead("BigQueryRead/ReadRows"), READ_ROWS);
  assert.equal(second.trailers["grpc-status"], "0");
  const [stream] = held;
  assert.ok(stream !== undefined);
  reply(stream, [field(3, "late")]);
  assert.deepEqual((await first).body, framed(field(3, "late")));
  assert.equal(upstream.sessions.length, 2);
});

test("a stream that upstream did not take is sent once more", OPTIONS, async (t) => {
  let calls = 0;
  const { agent } = await storageOf(t, (stream) => {
    calls += 1;
    if (calls === 1) stream.close(7);
    else reply(stream, []);
  });
  const answer = await ask2(agent, grpcHead("BigQueryRead/ReadRows"), READ_ROWS);
  assert.deepEqual([answer.trailers["grpc-status"], calls], ["0", 2]);
});

test("rows that are appended go to and fro, and are recorded with their table", OPTIONS, async (t) => {
  const { gateway, agent } = await storageOf(
    t,
    (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.on("data", (chunk: Buffer) => stream.write(chunk));
      stream.on("end", () => stream.end());
    },
    { early: true },
  );
  const stream = agent.request(grpcHead("BigQueryWrite/AppendRows"), { endStream: false });
  const first = framed(Buffer.concat([field(1, `${TABLE}/streams/_default`), field(4, "rows")]));
  stream.write(first.subarray(0, 3));
  stream.write(first.subarray(3));
  const [echo] = await once(stream, "data");
  assert.deepEqual(echo, first);
  stream.end(framed(field(4, "more")));
  const answer = await collect(stream);
  assert.deepEqual(answer.body, framed(field(4, "more")));
  assert.equal(answer.trailers["grpc-status"], "0");
  const [exchange] = await gateway.exchanges();
  assert.deepEqual(
    [exchange?.operation, exchange?.table, exchange?.outcome, exchange?.request?.bytes],
    ["storage.AppendRows", "orders", "complete", first.length + framed(field(4, "more")).length],
  );
});

test("rows for another table in the same call never arrive whole", OPTIONS, async (t) => {
  const received: Buffer[] = [];
  const closed = Promise.withResolvers<number | undefined>();
  const { gateway, agent } = await storageOf(
    t,
    (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.on("data", (chunk: Buffer) => {
        received.push(chunk);
        stream.write(framed(field(1, "done")));
      });
      stream.once("close", () => closed.resolve(stream.rstCode));
    },
    { early: true },
  );
  const stream = agent.request(grpcHead("BigQueryWrite/AppendRows"), { endStream: false });
  const first = framed(field(1, `${TABLE}/streams/_default`));
  stream.write(first);
  await once(stream, "data");
  stream.write(framed(field(1, "projects/data/datasets/shop/tables/salaries/streams/_default")));
  const answer = await collect(stream);
  assert.notEqual(answer.rstCode, 0);
  assert.equal(await closed.promise, 8);
  assert.deepEqual(Buffer.concat(received), first);
  assert.deepEqual(
    (await gateway.exchanges()).map(({ error }) => error?.code),
    ["denied.watch"],
  );
});

test("a stalled agent stops upstream after a few MiB, and gets all when it reads on", OPTIONS, async (t) => {
  const total = 24 * 1024 * 1024;
  let sent = 0;
  const { agent } = await storageOf(t, (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const piece = Buffer.alloc(64 * 1024);
    const write = (): void => {
      if (sent === total) return void stream.end();
      stream.write(piece, () => {
        sent += piece.length;
        write();
      });
    };
    write();
  });
  const stream = agent.request(grpcHead("BigQueryRead/ReadRows"), { endStream: false });
  stream.end(READ_ROWS);
  stream.pause();
  await once(stream, "response");
  // Upstream has stopped when it could write nothing for a while.
  for (let before = -1; before !== sent || sent === 0; ) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(sent < 6 * 1024 * 1024, `${sent} bytes left upstream`);
  stream.resume();
  const answer = await collect(stream);
  assert.deepEqual([answer.body.length, answer.trailers["grpc-status"]], [total, "0"]);
});

test("gRPC at BigQuery's REST host is refused", OPTIONS, async (t) => {
  const { gateway } = await storageOf(t, () => assert.fail("it was reached"));
  const agent = await openHttp2({ port: gateway.proxy.port, ca: gateway.ca });
  t.after(() => agent.destroy());
  const head = grpcHead("BigQueryRead/ReadRows", { ":authority": BIGQUERY_HOST });
  assert.equal((await ask2(agent, head, READ_ROWS)).headers["grpc-status"], "7");
});

/*
 * Node does not clear the timeout of a stream that is destroyed, so for answerHead, 240 s, each call that an agent gave up
 * kept its exchange alive; fuzz seed 3051688896 left 350 of them.
 */
test("of calls that the agent gave up nothing is kept", OPTIONS, async (t) => {
  const calls = 20;
  const { gateway, agent } = await storageOf(t, (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.write(framed(field(3, "rows")));
  });
  for (let call = 0; call < calls; call += 1) {
    const stream = agent.request(grpcHead("BigQueryRead/ReadRows"), { endStream: false });
    stream.on("error", () => undefined);
    stream.end(READ_ROWS);
    await once(stream, "data");
    stream.close(constants.NGHTTP2_CANCEL);
    await once(stream, "close");
  }
  const outcomes = (await gateway.exchanges()).map(({ outcome }) => outcome);
  assert.equal(outcomes.length, calls);
  const kept = queryObjects(GrpcAnswer, { format: "count" });
  assert.ok(kept < calls / 2, `${kept} of ${calls} are kept`);
});
