import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { stock } from "./stock.ts";
import {
  defect,
  type Ours,
  open,
  ours,
  PATH,
  read,
  type Side,
  send,
  settled,
  upstreamOf,
} from "./support.ts";

const MIB = 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, "x");

/** Writes so many bytes as fast as they are taken, and tells how many have been. */
function offer(response: ServerResponse, total: number): () => number {
  let taken = 0;
  let offered = 0;
  const write = (): void => {
    if (offered === total) return void response.end();
    offered += PIECE.length;
    response.write(PIECE, (error) => {
      if (error) return;
      taken += PIECE.length;
      write();
    });
  };
  write();
  return () => taken;
}

/** An upstream that offers a long answer to an agent that asks for it and reads nothing. */
async function stalledAgent(t: TestContext, total: number, sideOf: SideOf) {
  let taken = (): number => 0;
  const begun = Promise.withResolvers<ServerResponse>();
  const upstream = await upstreamOf(t, (_request, response) => {
    taken = offer(response, total);
    begun.resolve(response);
  });
  const side = await sideOf(t, upstream);
  const secure = await open(t, side);
  secure.write(`GET ${PATH} HTTP/1.1\r\nHost: ${side.authority}\r\n\r\n`);
  return { response: await begun.promise, taken: () => taken(), secure };
}

type Upstream = Awaited<ReturnType<typeof upstreamOf>>;
type SideOf = (t: TestContext, upstream: Upstream) => Promise<Side>;
const oursOf: SideOf = (t, upstream) => ours(t, upstream);
const stockOf: SideOf = (t, upstream) => stock(t, [upstream]);

defect(1, "an agent that reads nothing stops upstream after a few MiB", {
  async bqtape(t) {
    const { taken } = await stalledAgent(t, 200 * MIB, oursOf);
    const pulled = await settled(t, taken);
    // Most of it waits in the system's socket buffers, two on each side of the gateway: Linux lets one grow to 32 MiB.
    assert.ok(pulled <= 72 * MIB, `${pulled} bytes left upstream`);
  },
  async stock(t) {
    const { response, taken } = await stalledAgent(t, 60 * MIB, stockOf);
    if (!response.writableFinished) await once(response, "finish");
    assert.equal(taken(), 60 * MIB);
  },
});

defect(2, "an answer ends when its last byte has been recorded and sent, however long recording takes", {
  async bqtape(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end('{"kind":"whole"}'));
    const side = await ours(t, upstream, { recording: { releaseResponse: "fsync" } });
    const answer = await read(await send(await open(t, side), side));
    assert.deepEqual(answer, { text: '{"kind":"whole"}', whole: true });
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end('{"kind":"whole"}'));
    const side = await stock(t, [upstream], { hooks: ["asynchronous-data"] });
    const answer = await send(await open(t, side), side);
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(await read(answer), { text: "", whole: true });
  },
});

/** An answer whose upstream breaks off when half of it has reached the agent. */
async function halfAnswer(t: TestContext, sideOf: (upstream: Upstream) => Promise<Side>) {
  const begun = Promise.withResolvers<ServerResponse>();
  const upstream = await upstreamOf(t, (_request, response) => {
    response.write('{"rows":[');
    begun.resolve(response);
  });
  const side = await sideOf(upstream);
  const answer = await send(await open(t, side), side);
  const body = read(answer);
  await once(answer, "data");
  (await begun.promise).destroy();
  return await body;
}

defect(3, "an upstream that aborts mid-body breaks the agent's body, never a clean end", {
  async bqtape(t) {
    let gateway: Ours["gateway"] | undefined;
    const answer = await halfAnswer(t, async (upstream) => {
      const side = await ours(t, upstream);
      gateway = side.gateway;
      return side;
    });
    assert.deepEqual(answer, { text: '{"rows":[', whole: false });
    assert.equal((await gateway?.exchanges())?.[0]?.outcome, "aborted");
  },
  async stock(t) {
    const answer = await halfAnswer(t, (upstream) => stock(t, [upstream]));
    assert.equal(answer.whole, true);
    assert.match(answer.text, /^\{"rows":\[SERVER_TO_PROXY_RESPONSE_ERROR: /);
  },
});

/** Asks for a long answer and leaves after its first bytes. */
async function leave(t: TestContext, total: number, sideOf: SideOf) {
  const { response, secure } = await stalledAgent(t, total, sideOf);
  await once(secure, "data");
  secure.destroy();
  return response;
}

defect(9, "an agent that leaves ends the exchange upstream within a second", {
  async bqtape(t) {
    // One of three: a machine that does something else may well stand still for a second.
    const times: number[] = [];
    while (times.length < 3 && !times.some((time) => time < 1_000)) {
      const response = await leave(t, 60 * MIB, oursOf);
      const left = performance.now();
      if (!response.closed) await once(response, "close");
      times.push(performance.now() - left);
      assert.equal(response.writableFinished, false);
    }
    assert.ok(Math.min(...times) < 1_000, `${times} ms`);
  },
  async stock(t) {
    const response = await leave(t, 60 * MIB, stockOf);
    if (!response.closed) await once(response, "close");
    assert.equal(response.writableFinished, true);
  },
});

defect(15, "an answer that is recorded keeps its Content-Length", {
  async bqtape(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await ours(t, upstream);
    const answer = await send(await open(t, side), side);
    assert.equal(answer.headers["content-length"], "2");
    assert.equal(answer.headers["transfer-encoding"], undefined);
    await read(answer);
    assert.equal((await side.gateway.exchanges())[0]?.response?.bytes, 2);
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await stock(t, [upstream], { hooks: ["filter"] });
    const answer = await send(await open(t, side), side);
    assert.equal(answer.headers["content-length"], undefined);
    assert.equal(answer.headers["transfer-encoding"], "chunked");
  },
});
