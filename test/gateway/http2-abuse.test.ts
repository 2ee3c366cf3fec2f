import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import { connect, gatewayUnderTest, proxyAuthorization, testConfig } from "../support/gateway.ts";
import { frame, literal, PREFACE } from "../support/http2-frames.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;

const METHOD = [":method", "GET"] as const;
const SCHEME = [":scheme", "https"] as const;
const AUTHORITY = [":authority", BIGQUERY_HOST] as const;
const PATH = [":path", "/bigquery/v2/projects"] as const;
const SOUND = [METHOD, SCHEME, AUTHORITY, PATH];

type Fields = readonly (readonly [name: string, value: string])[];

/** RFC 9113, sections 8.2 and 8.3: a request with these is malformed. */
const MALFORMED: readonly (readonly [what: string, fields: Fields])[] = [
  ["without :path", [METHOD, SCHEME, AUTHORITY]],
  ["without :method", [SCHEME, AUTHORITY, PATH]],
  ["with two :paths", [...SOUND, [":path", "/bigquery/v2/other"]]],
  ["with two :authorities", [...SOUND, [":authority", "evil.example"]]],
  ["with a pseudo-header that is not known", [...SOUND, [":protocol-x", "1"]]],
  ["with an answer's pseudo-header", [...SOUND, [":status", "200"]]],
  ["with a pseudo-header behind a header", [METHOD, SCHEME, AUTHORITY, ["x", "1"], PATH]],
  ["with a header name in capitals", [...SOUND, ["Upper", "1"]]],
  ["with a Connection header", [...SOUND, ["connection", "close"]]],
  ["with a Transfer-Encoding", [...SOUND, ["transfer-encoding", "chunked"]]],
  ["with TE other than trailers", [...SOUND, ["te", "gzip"]]],
];

const HEADERS = 1;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;
const PING = 6;
const ACK = 1;

async function agentBefore(t: Parameters<typeof gatewayUnderTest>[0]) {
  const directory = temporaryDirectory();
  const reached: IncomingMessage[] = [];
  const upstream = await startUpstream(directory, (request, response) => {
    reached.push(request);
    response.end("{}");
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const { socket } = await connect(gateway.proxy.port, `${BIGQUERY_HOST}:443`, proxyAuthorization("two"));
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: gateway.ca, ALPNProtocols: ["h2"] });
  t.after(() => secure.destroy());
  await once(secure, "secureConnect");
  secure.on("error", () => undefined);
  const pings = answerPings(secure);
  secure.write(Buffer.concat([PREFACE, frame(4, 0, 0)]));
  return { gateway, reached, secure, pings };
}

/** As every client of HTTP/2 has to; nothing else of what comes is looked at. Answers may be held back. */
function answerPings(socket: TLSSocket): { held?: Buffer[] } {
  const pings: { held?: Buffer[] } = {};
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.length < 9 ? Number.POSITIVE_INFINITY : 9 + rest.readUIntBE(0, 3);
      if (rest.length < end) return;
      const answer = frame(PING, ACK, 0, rest.subarray(9, end));
      if (rest[3] === PING && rest[4] === 0 && pings.held === undefined) socket.write(answer);
      else if (rest[3] === PING && rest[4] === 0) pings.held?.push(answer);
      rest = rest.subarray(end);
    }
  });
  return pings;
}

function request(stream: number, fields: Fields): Buffer {
  const block = Buffer.concat(fields.map(([name, value]) => literal(name, value)));
  return frame(HEADERS, END_STREAM | END_HEADERS, stream, block);
}

for (const [what, fields] of MALFORMED) {
  test(
    `a request over HTTP/2 ${what}: refused, connection closed, recorded, not forwarded`,
    OPTIONS,
    async (t) => {
      const { gateway, reached, secure } = await agentBefore(t);
      secure.write(request(1, fields));
      await once(secure, "close");
      const exchanges = await gateway.exchanges();
      assert.deepEqual(
        exchanges.map(({ session, outcome, error }) => [session, outcome, error?.code]),
        [["two", "denied", "request.malformed"]],
      );
      assert.deepEqual(reached, []);
    },
  );
}

test(
  "a malformed request is recorded when a sound one follows at once, which is still answered",
  OPTIONS,
  async (t) => {
    const { gateway, reached, secure } = await agentBefore(t);
    secure.write(
      Buffer.concat([request(1, SOUND), request(3, [...SOUND, ["Upper", "1"]]), request(5, SOUND)]),
    );
    await once(secure, "close");
    const exchanges = await gateway.exchanges();
    assert.deepEqual(exchanges.map(({ outcome }) => outcome).sort(), ["complete", "complete", "denied"]);
    assert.equal(reached.length, 2);
  },
);

test("a head that comes in two parts, long apart, is a request like any other", OPTIONS, async (t) => {
  const { gateway, secure, pings } = await agentBefore(t);
  const block = Buffer.concat(SOUND.map(([name, value]) => literal(name, value)));
  // Between the two an agent may send nothing else (section 6.10), so the gateway's question stays without an answer.
  pings.held = [];
  secure.write(frame(HEADERS, END_STREAM, 1, block.subarray(0, 10)));
  while (pings.held.length === 0) await once(secure, "data");
  secure.write(frame(CONTINUATION, END_HEADERS, 1, block.subarray(10)));
  secure.write(Buffer.concat(pings.held));
  while ((await gateway.exchanges()).length === 0) await once(secure, "data");
  assert.deepEqual(
    (await gateway.exchanges()).map(({ outcome }) => outcome),
    ["complete"],
  );
});

for (const value of ["a\r\nb: c", "a\0b"]) {
  test(`a header with ${JSON.stringify(value)} over HTTP/2 goes no further`, OPTIONS, async (t) => {
    const { gateway, secure, reached } = await agentBefore(t);
    secure.write(request(1, [...SOUND, ["x-a", value]]));
    while ((await gateway.exchanges()).length === 0) await once(secure, "data");
    assert.deepEqual(
      reached.map(({ headers }) => [headers["x-a"], headers.b]),
      [[undefined, undefined]],
    );
  });
}

test("what is no HTTP/2 at all is recorded, and its connection closed", OPTIONS, async (t) => {
  const { gateway, secure } = await agentBefore(t);
  secure.write(frame(4, 0, 7, Buffer.alloc(5)));
  await once(secure, "close");
  assert.deepEqual(
    (await gateway.exchanges()).map(({ outcome, error }) => [outcome, error?.code]),
    [["denied", "request.malformed"]],
  );
});
