import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as dial, type Socket } from "node:net";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { connect, type GatewayUnderTest, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const HOST = "bigquery.googleapis.com";
const LINE = "POST /bigquery/v2/projects/p/queries HTTP/1.1";

/** Requests that two readers could read differently, so nobody gets to. */
const AMBIGUOUS: readonly (readonly [what: string, request: string])[] = [
  [
    "Content-Length and Transfer-Encoding",
    `${LINE}\r\nHost: ${HOST}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    "two different Content-Lengths",
    `${LINE}\r\nHost: ${HOST}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
  ],
  ["a Content-Length that is no number", `${LINE}\r\nHost: ${HOST}\r\nContent-Length: +2\r\n\r\n{}`],
  ["a list of Content-Lengths", `${LINE}\r\nHost: ${HOST}\r\nContent-Length: 2, 2\r\n\r\n{}`],
  [
    "an obfuscated Transfer-Encoding",
    `${LINE}\r\nHost: ${HOST}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    "Transfer-Encoding twice",
    `${LINE}\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
  ],
  ["a space before the colon", `${LINE}\r\nHost: ${HOST}\r\nContent-Length : 2\r\n\r\n{}`],
  ["a folded header", `${LINE}\r\nHost: ${HOST}\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}`],
  ["bare LF line ends", `${LINE}\nHost: ${HOST}\nContent-Length: 2\n\n{}`],
  ["a bare LF in a header", `${LINE}\r\nHost: ${HOST}\r\nX-A: 1\nX-B: 2\r\nContent-Length: 2\r\n\r\n{}`],
  ["a bare CR in a header", `${LINE}\r\nHost: ${HOST}\r\nX-A: 1\rX-B: 2\r\nContent-Length: 2\r\n\r\n{}`],
  ["two Hosts", `${LINE}\r\nHost: ${HOST}\r\nHost: ${HOST}\r\nContent-Length: 2\r\n\r\n{}`],
  ["no Host", `${LINE}\r\nContent-Length: 2\r\n\r\n{}`],
  ["a NUL in a header", `${LINE}\r\nHost: ${HOST}\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\n{}`],
  [
    "a control character in the target",
    `POST /bigquery/v2/projects/\x01/queries HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 2\r\n\r\n{}`,
  ],
  [
    "a target in absolute form",
    `POST https://${HOST}/bigquery/v2/projects/p/queries HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 2\r\n\r\n{}`,
  ],
  [
    "a chunk with an extension that breaks lines",
    `${LINE}\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n`,
  ],
  [
    "a chunk size that is no number",
    `${LINE}\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n`,
  ],
  [
    "HTTP/1.0 with Transfer-Encoding",
    `POST /bigquery/v2/projects/p/queries HTTP/1.0\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ["an Expect that nobody knows", `${LINE}\r\nHost: ${HOST}\r\nExpect: x\r\nContent-Length: 2\r\n\r\n{}`],
  ["HTTP/0.9", `GET /bigquery/v2/projects\r\n\r\n`],
  ["TRACE", `TRACE /bigquery/v2/projects HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`],
  ["a nested CONNECT", `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\n\r\n`],
  [
    "an upgrade to WebSocket",
    `GET /bigquery/v2/projects HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ],
  [
    "an upgrade to h2c",
    `GET /bigquery/v2/projects HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
  ],
  ["headers without end", `${LINE}\r\nHost: ${HOST}\r\n${"X-A: 1\r\n".repeat(10_000)}\r\n`],
];

async function guarded(
  t: Parameters<typeof gatewayUnderTest>[0],
): Promise<{ gateway: GatewayUnderTest; reached: string[] }> {
  const directory = temporaryDirectory();
  const reached: string[] = [];
  const upstream = await startUpstream(directory, (request, response, body) => {
    reached.push(`${request.method} ${request.url} ${body}`);
    response.end("{}");
  });
  t.after(() => upstream.close());
  return { gateway: await gatewayUnderTest(t, testConfig(directory, upstream)), reached };
}

/** All that a socket answers, until the gateway closes it. */
async function answerUntilClose(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("error", () => socket.destroy());
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

for (const [what, request] of AMBIGUOUS) {
  test(`${what} inside a tunnel: refused, socket closed, recorded, not forwarded`, OPTIONS, async (t) => {
    const { gateway, reached } = await guarded(t);
    const { socket } = await connect(gateway.proxy.port, `${HOST}:443`);
    // The gateway closes while more is on its way, which the system answers with a reset.
    socket.on("error", () => socket.destroy());
    const secure = tlsConnect({ socket, servername: HOST, ca: gateway.ca });
    await once(secure, "secureConnect");
    // What follows must never be taken for a request of its own.
    secure.write(
      `${request}GET /bigquery/v2/projects/smuggled/jobs HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
      "latin1",
    );
    const answer = await answerUntilClose(secure);
    assert.doesNotMatch(answer, /^HTTP\/1\.1 2/m);
    assert.deepEqual(reached, []);
    const exchanges = await gateway.exchanges();
    assert.ok(exchanges.length > 0);
    for (const { outcome } of exchanges) assert.equal(outcome, "denied");
  });
}

const ON_THE_PORT: readonly (readonly [what: string, request: string])[] = [
  ["a request to be forwarded", "GET http://169.254.169.254/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"],
  ["a request to the gateway itself", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["an Expect that nobody knows", "GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n"],
  ["an upgrade", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
  ["HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["a CONNECT with a bare LF", `CONNECT ${HOST}:443 HTTP/1.1\nHost: ${HOST}:443\n\n`],
  [
    "a CONNECT with Content-Length and Transfer-Encoding",
    `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ],
];

for (const [what, request] of ON_THE_PORT) {
  test(`${what} on the proxy port: refused, socket closed, recorded`, OPTIONS, async (t) => {
    const { gateway } = await guarded(t);
    const socket = dial(gateway.proxy.port, "127.0.0.1");
    socket.write(request, "latin1");
    const answer = await answerUntilClose(socket);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    const [exchange] = await gateway.exchanges();
    assert.deepEqual([exchange?.outcome, exchange?.status], ["denied", 400]);
  });
}
