import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mock, test } from "node:test";
import { SignJWT } from "jose";
import { TokenCache } from "../../src/credentials/credential.ts";
import { openPlaceholder } from "../../src/credentials/placeholder.ts";
import { SessionPlaceholders } from "../../src/credentials/session-placeholder.ts";
import { TokenEndpoint } from "../../src/credentials/token-endpoint.ts";
import { accessTokenFile } from "../../src/credentials/token-file.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const MINUTE = 60_000;

/** A cache over a source whose tokens last an hour, on a clock that the test moves. */
function cacheOnClock() {
  const state = { now: 0, fetched: 0, failing: false };
  const cache = new TokenCache(
    "test",
    async () => {
      if (state.failing) throw new Error("no token");
      state.fetched += 1;
      return { value: `token-${state.fetched}`, expiresAt: state.now + 60 * MINUTE };
    },
    () => state.now,
  );
  return { state, cache };
}

test("however many wait, one token is fetched", async () => {
  const { state, cache } = cacheOnClock();
  const tokens = await Promise.all(Array.from({ length: 50 }, () => cache.token()));
  assert.deepEqual(new Set(tokens), new Set(["token-1"]));
  assert.equal(state.fetched, 1);
});

test("a token is replaced ahead of its expiry, and nobody waits for that", async () => {
  const { state, cache } = cacheOnClock();
  await cache.token();
  state.now = 56 * MINUTE;
  assert.equal(await cache.token(), "token-1");
  assert.equal(state.fetched, 2);
  assert.equal(await cache.token(), "token-2");
});

test("a refresh that fails ahead of time harms nobody, and one that is due is told", async () => {
  const { state, cache } = cacheOnClock();
  await cache.token();
  state.failing = true;
  state.now = 56 * MINUTE;
  assert.equal(await cache.token(), "token-1");
  state.now = 60 * MINUTE;
  await assert.rejects(cache.token(), /no token/);
  state.failing = false;
  assert.equal(await cache.token(), "token-2");
});

test("a token file is read again when it changes", async (t) => {
  mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  t.after(() => mock.timers.reset());
  const file = join(temporaryDirectory(), "token");
  writeFileSync(file, "first\n");
  const credential = accessTokenFile(file);
  assert.equal(await credential.token(), "first");
  writeFileSync(file, "second\n");
  utimesSync(file, 2_000, 2_000);
  mock.timers.tick(1_000);
  assert.equal(await credential.token(), "second");
});

test("a token file that is missing, empty or more than a token is told in words", async () => {
  const file = join(temporaryDirectory(), "token");
  await assert.rejects(accessTokenFile(file).token(), /credential\.file .*token: ENOENT/);
  for (const content of ["", "two\nlines", "a b"]) {
    writeFileSync(file, content);
    await assert.rejects(accessTokenFile(file).token(), /it must hold one access token and nothing else/);
  }
});

interface Placeholder {
  readonly endpoint: TokenEndpoint;
  readonly email: string;
  readonly key: KeyObject;
}

async function placeholder(): Promise<Placeholder> {
  const file = join(temporaryDirectory(), "agent", "credentials.json");
  const opened = await openPlaceholder(file, "my-project");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const { private_key, client_email, project_id } = JSON.parse(readFileSync(file, "utf8")) as Record<
    string,
    string
  >;
  assert.equal(project_id, "my-project");
  return {
    endpoint: new TokenEndpoint(opened, new SessionPlaceholders(randomBytes(32), () => true)),
    email: client_email ?? "",
    key: createPrivateKey(private_key ?? ""),
  };
}

interface Claims {
  readonly iss?: string;
  readonly aud?: string;
  readonly exp?: string;
}

async function assertion(key: KeyObject, claims: Required<Claims>): Promise<string> {
  return await new SignJWT({ scope: "https://www.googleapis.com/auth/bigquery" })
    .setProtectedHeader({ alg: "RS256" })
    .setIssuer(claims.iss)
    .setAudience(claims.aud)
    .setIssuedAt()
    .setExpirationTime(claims.exp)
    .sign(key);
}

function form(token: string): Buffer {
  const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
  return Buffer.from(new URLSearchParams({ grant_type, assertion: token }).toString());
}

const AUDIENCE = "https://oauth2.googleapis.com/token";

test("the placeholder's own assertion gets a token that is a placeholder too", async () => {
  const { endpoint, email, key } = await placeholder();
  const body = form(await assertion(key, { iss: email, aud: AUDIENCE, exp: "1h" }));
  const answer = await endpoint.answer({ method: "POST", target: "/token", body });
  const { access_token, token_type } = JSON.parse(answer.body.toString()) as Record<string, string>;
  assert.deepEqual([answer.status, token_type], [200, "Bearer"]);
  assert.match(access_token ?? "", /^bqtape-placeholder-/);
});

const WRONG: readonly (readonly [what: string, claims: Claims])[] = [
  ["another issuer", { iss: "someone@else.example" }],
  ["another audience", { aud: "https://evil.example/token" }],
  ["one that has expired", { exp: "-1h" }],
];

for (const [what, claims] of WRONG) {
  test(`an assertion of ${what} is refused`, async () => {
    const { endpoint, email, key } = await placeholder();
    const body = form(await assertion(key, { iss: email, aud: AUDIENCE, exp: "1h", ...claims }));
    assert.equal((await endpoint.answer({ method: "POST", target: "/token", body })).status, 400);
  });
}

test("an assertion that another key signed is refused", async () => {
  const { endpoint, email } = await placeholder();
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const body = form(await assertion(privateKey, { iss: email, aud: AUDIENCE, exp: "1h" }));
  const answer = await endpoint.answer({ method: "POST", target: "/token", body });
  assert.deepEqual(
    [answer.status, (JSON.parse(answer.body.toString()) as { error: string }).error],
    [400, "invalid_grant"],
  );
});

test("what is no token request is refused in OAuth's words", async () => {
  const { endpoint } = await placeholder();
  const other = await endpoint.answer({
    method: "POST",
    target: "/token",
    body: Buffer.from("grant_type=password"),
  });
  assert.match(other.body.toString(), /unsupported_grant_type/);
  const elsewhere = await endpoint.answer({ method: "GET", target: "/tokeninfo", body: Buffer.alloc(0) });
  assert.equal(elsewhere.status, 404);
});
