import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect as dial } from "node:net";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import { STRICT_HTTP1 } from "../../src/gateway/http1.ts";
import { refuseOnSocket } from "../../src/gateway/listener.ts";
import { connect, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Serve, startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const GET = `GET /bigquery/v2/projects/p/datasets HTTP/1.1\r\nHost: ${BIGQUERY_HOST}\r\n\r\n`;

async function agentBefore(t: Parameters<typeof gatewayUnderTest>[0], serve: Serve) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, serve);
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const { socket } = await connect(gateway.proxy.port, `${BIGQUERY_HOST}:443`);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: gateway.ca });
  t.after(() => secure.destroy());
  secure.on("error", () => secure.destroy());
  await once(secure, "secureConnect");
  let answered = "";
  secure.setEncoding("latin1").on("data", (chunk: string) => {
    answered += chunk;
  });
  return { gateway, secure, answer: () => answered };
}

test("requests sent before the answer to the one before are answered in turn", OPTIONS, async (t) => {
  const { secure, answer } = await agentBefore(t, ({ url }, response) => response.end(url));
  secure.write([1, 2, 3].map((at) => GET.replace("datasets", `datasets/d${at}`)).join(""));
  while (!answer().includes("datasets/d3")) await once(secure, "data");
  assert.deepEqual(answer().match(/datasets\/d\d/g), ["datasets/d1", "datasets/d2", "datasets/d3"]);
});

test(
  "a connection on which more than 16 requests wait for an answer is cut, and that is recorded",
  OPTIONS,
  async (t) => {
    const reached: unknown[] = [];
    const { gateway, secure, answer } = await agentBefore(t, ({ url }) => reached.push(url));
    secure.write(GET.repeat(1 + 17));
    await once(secure, "close");
    assert.equal(answer(), "");
    assert.ok(reached.length <= 1);
    const refused = (await gateway.exchanges()).filter(({ outcome }) => outcome === "denied");
    assert.deepEqual(
      refused.map(({ error }) => error),
      [
        {
          code: "request.malformed",
          message: "bqtape: more than 16 requests wait for the answer to one before",
        },
      ],
    );
  },
);

test("what is refused in the middle of an answer is not told as a part of it", OPTIONS, async (t) => {
  const { gateway, secure, answer } = await agentBefore(t, (_request, response) => {
    response.writeHead(200, { "content-length": 1_000 }).write("{");
  });
  secure.write(GET);
  await once(secure, "data");
  secure.write("this is no request\r\n\r\n");
  await once(secure, "close");
  assert.match(answer(), /\r\n\r\n\{$/);
  const codes = (await gateway.exchanges()).map(({ error }) => error?.code);
  assert.deepEqual(codes.toSorted(), ["agent.gone", "request.malformed"]);
});

test("behind a request of HTTP/1.0, which is refused, nothing is served", OPTIONS, async (t) => {
  const { gateway, secure, answer } = await agentBefore(t, (_request, response) => response.end("{}"));
  secure.write(`GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${GET}`);
  await once(secure, "close");
  assert.match(answer(), /^HTTP\/1\.1 400 /);
  const exchanges = await gateway.exchanges();
  assert.deepEqual(
    exchanges.map(({ error }) => error?.code),
    ["request.malformed"],
  );
});

test("behind a refusal nothing more is parsed", OPTIONS, async (t) => {
  let parsed = 0;
  const server = createServer(STRICT_HTTP1, ({ socket }) => {
    parsed += 1;
    refuseOnSocket(socket, 400, "no");
  });
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const ended = once(server, "connection").then(([socket]) => once(socket, "end"));
  const socket = dial((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write(GET);
  await once(socket, "data");
  socket.end(GET.repeat(1_000));
  await ended;
  assert.equal(parsed, 1);
});

test("a CONNECT behind what was refused on the proxy's port is none", OPTIONS, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, () => undefined);
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const socket = dial(gateway.proxy.port, "127.0.0.1").on("error", () => socket.destroy());
  socket
    .resume()
    .write(
      `GET / HTTP/1.1\r\nHost: a\r\n\r\nCONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n`,
    );
  await once(socket, "close");
  const exchanges = await gateway.exchanges();
  assert.deepEqual(
    exchanges.map(({ error }) => error?.code),
    ["connect.malformed"],
  );
});
