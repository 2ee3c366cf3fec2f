import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { identityGateway } from "../identity/gateway.ts";
import { ask, connect, proxyAuthorization } from "../support/gateway.ts";

const OPTIONS = { timeout: 30_000 } as const;
const QUERY = { path: "/bigquery/v2/projects/p/queries", body: JSON.stringify({ query: "SELECT 1" }) };

test("a session is opened by ID token, and its token is what an agent needs", OPTIONS, async (t) => {
  const { issuer, gateway, api } = await identityGateway(t);
  const { status, body } = await api("POST", "sessions", {
    token: await issuer.token(),
    body: { agent: "claude", purpose: "monthly report", maxLength: 3_600 },
  });
  assert.equal(status, 201);
  const { session, token, ...facts } = body;
  assert.match(session.id, /^o-[A-Za-z0-9_-]{16}$/);
  assert.match(token, /^bqs1_[A-Za-z0-9_-]+$/);
  const { id: _, startedAt, expiresAt, renewBefore, ...rest } = session;
  assert.deepEqual(rest, {
    state: "active",
    issuer: issuer.url,
    subject: "u-1",
    user: "ann@example.com",
    groups: ["analysts", "staff"],
    agent: "claude",
    purpose: "monthly report",
  });
  assert.equal(Date.parse(expiresAt) - Date.parse(startedAt), 3_600_000);
  assert.equal(Date.parse(renewBefore) - Date.parse(startedAt), 900_000);
  assert.equal(facts.proxy, `127.0.0.1:${gateway.proxy.port}`);
  assert.equal(facts.caPem, gateway.ca);
  assert.equal(typeof facts.project, "string");
  assert.match(facts.placeholder.client_email, /@/);

  const answer = await ask({ port: gateway.proxy.port, ca: gateway.ca }, { ...QUERY, session: token });
  assert.equal(answer.status, 200);
  const [exchange] = await gateway.exchanges();
  assert.deepEqual([exchange?.session, exchange?.user], [session.id, "ann@example.com"]);
});

test("an ID token is an identity by itself, as Bearer and as a password", OPTIONS, async (t) => {
  const { issuer, gateway } = await identityGateway(t);
  const token = await issuer.token();
  for (const headers of [{ "proxy-authorization": `Bearer ${token}` }, proxyAuthorization(token)]) {
    const { status, socket } = await connect(gateway.proxy.port, "bigquery.googleapis.com:443", headers);
    assert.equal(status, 200);
    socket.destroy();
  }
});

test("the summary of an ended session counts what was done in it", OPTIONS, async (t) => {
  const { issuer, gateway, api } = await identityGateway(t);
  const idToken = await issuer.token();
  const { body } = await api("POST", "sessions", { token: idToken });
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  await ask(target, { ...QUERY, session: body.token });
  await ask(target, { path: "/nothing/of/bigquery", session: body.token });
  const ended = await api("POST", `sessions/${body.session.id}/end`, { token: body.token });
  assert.equal(ended.status, 200);
  const { bytes, ...counted } = ended.body.summary;
  assert.deepEqual(counted, {
    statements: 1,
    exchanges: 2,
    denied: 1,
    masked: 0,
    where: `bqtape replay ${body.session.id}`,
  });
  assert.equal(bytes.request, QUERY.body.length);
  assert.deepEqual([ended.body.session.state, ended.body.session.because], ["ended", "owner"]);
  const late = await connect(
    gateway.proxy.port,
    "bigquery.googleapis.com:443",
    proxyAuthorization(body.token),
  );
  assert.equal(late.status, 407);
  const again = await api("POST", `sessions/${body.session.id}/end`, { token: idToken });
  assert.equal(again.status, 200);
});

test("groups are read anew when a session is renewed", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t);
  const { body } = await api("POST", "sessions", { token: await issuer.token() });
  const { id } = body.session;
  const renewed = await api("POST", `sessions/${id}/renew`, {
    token: await issuer.token({ claims: { groups: ["staff"] } }),
  });
  assert.equal(renewed.status, 200);
  assert.deepEqual(renewed.body.session.groups, ["staff"]);
  assert.ok(Date.parse(renewed.body.session.renewBefore) >= Date.parse(body.session.renewBefore));
  const other = await api("POST", `sessions/${id}/renew`, {
    token: await issuer.token({ claims: { sub: "u-2" } }),
  });
  assert.equal(other.status, 404);
});

test("people see and revoke their own sessions, admins all, auditors see all", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t, {
    identity: { roles: { admin: ["admins"], auditor: ["auditors"] } },
  });
  const [ann, bob, admin, auditor] = await Promise.all([
    issuer.token(),
    issuer.token({ claims: { sub: "u-2", email: "bob@example.com", groups: ["x"] } }),
    issuer.token({ claims: { sub: "u-3", groups: ["admins"] } }),
    issuer.token({ claims: { sub: "u-4", groups: ["auditors"] } }),
  ]);
  const opened = await Promise.all([ann, ann, bob].map((token) => api("POST", "sessions", { token })));
  const [one, two, three] = opened.map(({ body }) => body.session.id);
  const listed = async (token: string): Promise<string[]> =>
    (await api("GET", "sessions", { token })).body.sessions.map(({ id }: { id: string }) => id).sort();
  assert.deepEqual(await listed(ann), [one, two].sort());
  assert.deepEqual(await listed(bob), [three]);
  assert.deepEqual(await listed(admin), [one, two, three].sort());
  assert.deepEqual(await listed(auditor), [one, two, three].sort());
  const revoke = async (token: string, id: string): Promise<number> =>
    (await api("POST", `sessions/${id}/revoke`, { token, body: { because: "lost laptop" } })).status;
  assert.equal(await revoke(bob, one), 404);
  assert.equal(await revoke(auditor, one), 404);
  assert.equal(await revoke(ann, one), 200);
  assert.equal(await revoke(admin, three), 200);
  const { body } = await api("GET", "sessions", { token: bob });
  assert.deepEqual([body.sessions[0].state, body.sessions[0].because], ["revoked", "lost laptop"]);
  // A session that is over is over: neither renewal nor end brings it back.
  assert.equal((await api("POST", `sessions/${three}/renew`, { token: bob })).status, 409);
  await api("POST", `sessions/${three}/end`, { token: bob });
  const later = await api("GET", "sessions", { token: bob });
  assert.equal(later.body.sessions[0].state, "revoked");
});

test("what bqtape login needs is told to everybody", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t);
  const { body } = await api("GET", "login");
  assert.deepEqual(body, {
    issuers: [{ issuer: issuer.url, clientId: "cli", scopes: "openid email profile" }],
  });
});

test("every token that is not accepted gets the same 401", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t);
  const { body: opened } = await api("POST", "sessions", { token: await issuer.token() });
  const tokens = [
    undefined,
    "x",
    "a.b.c",
    opened.token,
    await issuer.token({ claims: { aud: "other" } }),
    await issuer.token({ claims: { exp: 1 } }),
  ];
  const answers = [];
  for (const token of tokens)
    answers.push(await api("POST", "sessions", token === undefined ? {} : { token }));
  for (const { status, body, headers } of answers) {
    assert.equal(status, 401);
    assert.deepEqual(body, answers[0]?.body);
    assert.equal(headers.get("www-authenticate"), 'Bearer realm="bqtape"');
  }
  const own = await api("POST", "sessions/o-other/end", { token: opened.token });
  assert.deepEqual([own.status, own.body], [401, answers[0]?.body]);
});

const rsa = (modulusLength: number, publicExponent = 65_537): string =>
  generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey.export({
    type: "spki",
    format: "pem",
  }) as string;
const BAD_BODIES: readonly (readonly [what: string, body: () => unknown, says: RegExp])[] = [
  ["no JSON", () => "{", /./],
  ["an array", () => [], /^body: /],
  ["an unknown key", () => ({ groups: ["admins"] }), /^body: .*groups/],
  ["an agent of two lines", () => ({ agent: "a\nb" }), /^body.agent: expected text of one line/],
  ["a long agent", () => ({ agent: "a".repeat(65) }), /^body.agent: /],
  ["a long purpose", () => ({ purpose: "a".repeat(257) }), /^body.purpose: /],
  ["no length", () => ({ maxLength: 0 }), /^body.maxLength: /],
  ["a length that is none", () => ({ maxLength: "1h" }), /^body.maxLength: /],
  ["a key that is none", () => ({ publicKey: "key" }), /^publicKey: expected an RSA key of 2048 bits/],
  ["a short key", () => ({ publicKey: rsa(1024) }), /^publicKey: expected an RSA key of 2048 bits/],
  ["a weak exponent", () => ({ publicKey: rsa(2048, 3) }), /^publicKey: expected an RSA key of 2048 bits/],
];

test("a session is asked for in the words of the API, or not at all", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t);
  const token = await issuer.token();
  for (const [what, body, says] of BAD_BODIES) {
    const answer = await api("POST", "sessions", { token, body: body() });
    assert.equal(answer.status, 400, what);
    assert.equal(answer.body.error.code, "invalid", what);
    assert.match(answer.body.error.message, says, what);
  }
  const large = await api("POST", "sessions", { token, body: { purpose: "x".repeat(20_000) } });
  assert.equal(large.status, 413);
  const { body } = await api("GET", "sessions", { token });
  assert.deepEqual(body.sessions, []);
});

test("a session may be shorter than the configuration's length, and never longer", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t, { identity: { session: { maxLength: "1h" } } });
  const { body } = await api("POST", "sessions", {
    token: await issuer.token(),
    body: { maxLength: 864_000 },
  });
  assert.equal(Date.parse(body.session.expiresAt) - Date.parse(body.session.startedAt), 3_600_000);
});

test("a session of its own placeholder key names itself in it", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t);
  const { body } = await api("POST", "sessions", {
    token: await issuer.token(),
    body: { publicKey: rsa(2048) },
  });
  assert.equal(body.placeholder.private_key_id, body.session.id);
});

test("who opens sessions too fast has to wait, and others need not", OPTIONS, async (t) => {
  const { issuer, api } = await identityGateway(t);
  const token = await issuer.token();
  const statuses = new Set<number>();
  for (let at = 0; at < 140; at += 1) statuses.add((await api("POST", "sessions", { token })).status);
  assert.deepEqual([...statuses].sort(), [201, 429]);
  const other = await api("POST", "sessions", { token: await issuer.token({ claims: { sub: "u-2" } }) });
  assert.equal(other.status, 201);
});
