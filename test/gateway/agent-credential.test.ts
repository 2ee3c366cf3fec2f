import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST, STORAGE_HOST, TOKEN_HOST } from "../../src/bigquery/hosts.ts";
import {
  type AgentRequest,
  ask,
  connect,
  gatewayUnderTest,
  proxyAuthorization,
  testConfig,
} from "../support/gateway.ts";
import { ask2, field, framed, grpcHead, openHttp2, reply, startStorage } from "../support/http2.ts";
import { frame, literal, PREFACE } from "../support/http2-frames.ts";
import { TestIdentity } from "../support/identity.ts";
import { SessionKey, tokenForm } from "../support/session-key.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const PROJECTS = "/bigquery/v2/projects";
const READ_ROWS = framed(field(1, "projects/p/locations/us/sessions/abc/streams/s1"));

const mine = new SessionKey("s-mine");
const theirs = new SessionKey("s-theirs");
const KEYLESS = "s-keyless";

/** A gateway with two sessions that have keys and one that has none, and the Authorization of all that reached BigQuery. */
async function site(t: TestContext) {
  const directory = temporaryDirectory();
  const reached: unknown[] = [];
  const upstream = await startUpstream(directory, (request, response) => {
    reached.push(request.headers.authorization);
    response.end("{}");
  });
  t.after(() => upstream.close());
  const storage = await startStorage(t, (stream, headers) => {
    reached.push(headers.authorization);
    reply(stream, []);
  });
  const identity = new TestIdentity();
  identity.openWithKey(mine);
  identity.openWithKey(theirs);
  identity.open(KEYLESS);
  const overrides = { [BIGQUERY_HOST]: upstream.url, [STORAGE_HOST]: storage.url };
  const config = testConfig(directory, upstream, { upstream: { overrides, caFile: upstream.caFile } });
  const gateway = await gatewayUnderTest(t, config, { identify: identity.identify });
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  const tokenOf = async ({ session }: SessionKey, assertion: string) => {
    const body = tokenForm(assertion);
    const answer = await ask(target, { host: TOKEN_HOST, path: "/token", body, session });
    const { access_token = "", error } = JSON.parse(answer.body.toString()) as Record<string, string>;
    return { status: answer.status, token: access_token, error };
  };
  const rest = (request: Partial<AgentRequest>) =>
    ask(target, { path: PROJECTS, session: mine.session, ...request });
  const grpc = async (session: string, authorization: string) => {
    const agent = await openHttp2(target, { host: STORAGE_HOST, session });
    const answer = await ask2(agent, grpcHead("BigQueryRead/ReadRows", { authorization }), READ_ROWS);
    agent.destroy();
    const { headers, trailers } = answer;
    return {
      status: Number(trailers["grpc-status"] ?? headers["grpc-status"]),
      message: decodeURIComponent(String(headers["grpc-message"] ?? "")),
    };
  };
  const errors = async () =>
    (await gateway.exchanges())
      .filter(({ operation }) => operation !== "oauth2.token")
      .map(({ session, outcome, error }) => [session, outcome, error?.code]);
  return { gateway, upstream, reached, tokenOf, rest, grpc, errors };
}

test("a session's own token and JWT open the door, and go no further", OPTIONS, async (t) => {
  const { upstream, reached, tokenOf, rest, grpc, errors } = await site(t);
  const { status, token } = await tokenOf(mine, mine.assertion());
  assert.equal(status, 200);
  const bearers = [`Bearer ${token}`, `bearer  ${token}`, `Bearer ${mine.jwt()}`];
  for (const authorization of bearers)
    assert.equal((await rest({ headers: { authorization } })).status, 200, authorization);
  const jwt = `Bearer ${mine.jwt()}`;
  for (let call = 0; call < 2; call += 1) assert.equal((await grpc(mine.session, jwt)).status, 0);
  assert.equal(reached.length, 5);
  assert.deepEqual(new Set(reached), new Set(upstream.tokens.map((given) => `Bearer ${given}`)));
  assert.deepEqual(new Set((await errors()).map(([, outcome]) => outcome)), new Set(["complete"]));
});

test("a request that shows no credential is its connection's", OPTIONS, async (t) => {
  const { reached, rest } = await site(t);
  assert.equal((await rest({})).status, 200);
  assert.equal(reached.length, 1);
});

test(
  "a session without a key of its own shows whatever it likes, and nothing of it goes further",
  OPTIONS,
  async (t) => {
    const { upstream, reached, rest, grpc } = await site(t);
    const authorization = `Bearer ${theirs.jwt()}`;
    const headers = { authorization: [authorization, "Basic YTpi"] };
    const shown = { session: KEYLESS, headers, path: `${PROJECTS}?access_token=x` };
    assert.equal((await rest(shown)).status, 200);
    assert.equal((await grpc(KEYLESS, authorization)).status, 0);
    assert.deepEqual(
      reached,
      upstream.tokens.flatMap((token) => [`Bearer ${token}`, `Bearer ${token}`]),
    );
  },
);

const HOSTILE: readonly (readonly [what: string, request: Partial<AgentRequest>])[] = [
  ["another session's JWT", { headers: { authorization: `Bearer ${theirs.jwt()}` } }],
  ["an unsigned JWT", { headers: { authorization: `Bearer ${mine.unsigned()}` } }],
  ["a JWT with an HMAC of the public key", { headers: { authorization: `Bearer ${mine.hmac()}` } }],
  ["its own assertion", { headers: { authorization: `Bearer ${mine.assertion()}` } }],
  ["a token of Google's", { headers: { authorization: "Bearer ya29.real-one" } }],
  ["two credentials", { headers: { authorization: [`Bearer ${mine.jwt()}`, `Bearer ${theirs.jwt()}`] } }],
  [
    "two credentials in different case",
    { headers: { authorization: `Bearer ${mine.jwt()}`, AUTHORIZATION: `Bearer ${theirs.jwt()}` } },
  ],
  ["two credentials in one header", { headers: { authorization: `Bearer ${mine.jwt()}, Bearer x` } }],
  ["a password", { headers: { authorization: proxyAuthorization("s-theirs")["proxy-authorization"] ?? "" } }],
  ["an empty credential", { headers: { authorization: "" } }],
  ["a scheme without a credential", { headers: { authorization: "Bearer" } }],
  ["a token in the query", { path: `${PROJECTS}?access_token=x` }],
  ["its own JWT in the query", { path: `${PROJECTS}?access_token=${mine.jwt()}` }],
  ["a token in the query, written otherwise", { path: `${PROJECTS}?a=b&access%5Ftoken=x` }],
  ["a token in the query, by its old name", { path: `${PROJECTS}?oauth_token=x` }],
  [
    "a token in the query besides its own JWT",
    { path: `${PROJECTS}?access_token=x`, headers: { authorization: `Bearer ${mine.jwt()}` } },
  ],
  [
    "a credential that Connection says is of this hop only",
    { headers: { authorization: `Bearer ${theirs.jwt()}`, connection: "authorization" } },
  ],
];

test("whatever else a session shows is refused in BigQuery's words, and recorded", OPTIONS, async (t) => {
  const { reached, rest, errors } = await site(t);
  for (const [what, request] of HOSTILE) {
    const { status, body } = await rest(request);
    const { error } = JSON.parse(body.toString()) as {
      error: { message: string; errors: { message: string; reason: string }[] };
    };
    assert.deepEqual([status, error.errors[0]?.reason], [403, "accessDenied"], what);
    assert.match(error.message, /^bqtape: what this request shows is no credential of its session/, what);
    assert.equal(error.message, error.errors[0]?.message);
  }
  assert.deepEqual(reached, []);
  const refused = ["s-mine", "denied", "credential.mismatch"];
  assert.deepEqual(
    await errors(),
    HOSTILE.map(() => refused),
  );
});

test(
  "another session's access token is refused, and so is its own in another session",
  OPTIONS,
  async (t) => {
    const { reached, tokenOf, rest } = await site(t);
    const { token } = await tokenOf(mine, mine.assertion());
    const authorization = `Bearer ${token}`;
    assert.equal((await rest({ headers: { authorization } })).status, 200);
    assert.equal((await rest({ headers: { authorization }, session: theirs.session })).status, 403);
    assert.equal(reached.length, 1);
  },
);

test("over gRPC it is status 7, which no client tries again", OPTIONS, async (t) => {
  const { reached, grpc, errors } = await site(t);
  // The first is known to the gateway as good, of its own session.
  await grpc(theirs.session, `Bearer ${theirs.jwt()}`);
  reached.length = 0;
  for (const credential of [theirs.jwt(), mine.unsigned(), mine.hmac(), mine.assertion(), "x"]) {
    const { status, message } = await grpc(mine.session, `Bearer ${credential}`);
    assert.equal(status, 7);
    assert.match(message, /no credential of its session/);
  }
  assert.deepEqual(reached, []);
  const [, ...refused] = await errors();
  assert.deepEqual(
    refused,
    Array.from({ length: 5 }, () => ["s-mine", "denied", "credential.mismatch"]),
  );
});

const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const END_STREAM = 1;
const END_HEADERS = 4;

/** Resolves when an answer's last frame has come (RFC 9113, section 8.1). */
async function streamEnd(socket: TLSSocket): Promise<void> {
  let rest = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const [type = 0, flags = 0] = rest.subarray(3, 5);
      if ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0) return;
      rest = rest.subarray(9 + rest.readUIntBE(0, 3));
    }
  }
  throw new Error("the connection ended before the answer");
}

test("over HTTP/2, too, two credentials are one too many", OPTIONS, async (t) => {
  const { gateway, reached, tokenOf, errors } = await site(t);
  const { token } = await tokenOf(mine, mine.assertion());
  const proxied = proxyAuthorization(mine.session);
  const { socket } = await connect(gateway.proxy.port, `${BIGQUERY_HOST}:443`, proxied);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: gateway.ca, ALPNProtocols: ["h2"] });
  t.after(() => secure.destroy());
  await once(secure, "secureConnect");
  const fields = [
    literal(":method", "GET"),
    literal(":scheme", "https"),
    literal(":authority", BIGQUERY_HOST),
    literal(":path", PROJECTS),
    literal("authorization", `Bearer ${token}`),
    literal("authorization", "Bearer another"),
  ];
  const request = frame(HEADERS, END_STREAM | END_HEADERS, 1, Buffer.concat(fields));
  secure.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), request]));
  await streamEnd(secure);
  assert.deepEqual(reached, []);
  assert.deepEqual(await errors(), [["s-mine", "denied", "credential.mismatch"]]);
});

test(
  "the token endpoint gives a session no token for another's assertion, and that is on record",
  OPTIONS,
  async (t) => {
    const { gateway, tokenOf } = await site(t);
    const { status, error, token } = await tokenOf(mine, theirs.assertion());
    assert.deepEqual([status, error, token], [400, "invalid_grant", ""]);
    const [exchange] = await gateway.exchanges();
    assert.deepEqual(
      [exchange?.operation, exchange?.outcome, exchange?.error?.code, exchange?.rule],
      ["oauth2.token", "denied", "credential.mismatch", "placeholder"],
    );
  },
);
