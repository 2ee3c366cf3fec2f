import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createHttp1Server, STRICT_HTTP1 } from "../../src/gateway/http1.ts";

/*
 * Node bounds the time for a request's head only on servers that listen. The one inside the tunnels never does: whoever had a
 * session could keep any number of connections with half a head on each.
 */

const OPTIONS = { timeout: 10_000 } as const;
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A server that is handed its sockets, and what it refused. */
async function tunnelled(t: TestContext) {
  const refused: string[] = [];
  const refuse = (socket: { destroy(): unknown }, reason: string): void => {
    refused.push(reason);
    socket.destroy();
  };
  const timeouts = { headersTimeout: 100, connectionsCheckingInterval: 20 };
  const http1 = createHttp1Server(
    { serve: (_request, response) => void response.end("{}"), refuse, cut: refuse },
    { ...STRICT_HTTP1, ...timeouts },
  );
  const server = createServer((socket) => http1.emit("connection", socket));
  t.after(() => [http1.close(), server.close()]);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const agent = (): Socket => {
    const socket = dial((server.address() as AddressInfo).port, "127.0.0.1");
    t.after(() => socket.destroy());
    return socket.on("error", () => socket.destroy());
  };
  return { agent, refused };
}

for (const [what, sent] of [
  ["a head that does not come to its end", GET.slice(0, -2)],
  ["the next one on a connection", GET + GET.slice(0, -2)],
] as const) {
  test(`inside of a tunnel, too, ${what} is refused in time`, OPTIONS, async (t) => {
    const { agent, refused } = await tunnelled(t);
    const socket = agent().resume();
    socket.write(sent);
    await once(socket, "close");
    assert.deepEqual(refused, ["the head of a request has to come within 30 s"]);
  });
}

test("a tunnel in which nothing was said is closed, and nothing was refused", OPTIONS, async (t) => {
  const { agent, refused } = await tunnelled(t);
  await once(agent().resume(), "close");
  assert.deepEqual(refused, []);
});

test("a body may take longer than a head", OPTIONS, async (t) => {
  const { agent, refused } = await tunnelled(t);
  const [slow, late] = [agent(), agent().resume()];
  slow.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  await once(slow, "data");
  // By now it would be late.
  await once(late, "close");
  slow.write("cd");
  slow.end(GET);
  const [answer] = await once(slow, "data");
  assert.match(String(answer), /^HTTP\/1\.1 200 /);
  assert.deepEqual(refused, []);
});
