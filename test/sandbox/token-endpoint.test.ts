import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { suite, test } from "node:test";
import { Bench } from "./support.ts";

const bench = Bench.forThisFile({ rows: 10 });

suite("the token endpoint serves its own service account only", { timeout: 30_000 }, () => {
  test("an assertion that it signed is worth an hour's token", async () => {
    const { status, text } = await bench.requestToken(await bench.assertion());
    const answer = JSON.parse(text);
    assert.equal(status, 200);
    assert.match(answer.access_token, /^ya29\.sandbox-[\w-]{43}$/);
    assert.equal(answer.expires_in, 3600);
    assert.equal(answer.token_type, "Bearer");
  });

  test("the audience may be Google's, which client libraries write whatever the key file says", async () => {
    const assertion = await bench.assertion({ aud: "https://oauth2.googleapis.com/token" });
    assert.equal((await bench.requestToken(assertion)).status, 200);
  });

  const now = Math.floor(Date.now() / 1000);
  const faults: [string, object][] = [
    ["of another account", { iss: "other@demo-project.iam.gserviceaccount.com" }],
    ["for another audience", { aud: "https://example.com/token" }],
    ["that has expired", { iat: now - 7200, exp: now - 3700 }],
    ["from the future", { iat: now + 3000, exp: now + 6000 }],
    ["for more than an hour", { exp: now + 90_000 }],
    ["without an end", { exp: undefined }],
    ["without a scope", { scope: undefined }],
  ];
  for (const [what, claims] of faults) {
    test(`an assertion ${what} is an invalid grant`, async () => {
      await assertRefused(await bench.assertion(claims));
    });
  }

  test("an assertion signed by another key is an invalid grant", async () => {
    const [head, payload] = (await bench.assertion()).split(".");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const signature = sign("RSA-SHA256", Buffer.from(`${head}.${payload}`), privateKey).toString("base64url");
    await assertRefused(`${head}.${payload}.${signature}`);
  });

  test("an assertion that says it needs no signature is an invalid grant", async () => {
    await assertRefused(await bench.assertion({}, { alg: "none" }));
  });

  test("what is no assertion at all is an invalid grant", async () => {
    for (const assertion of ["", "a.b.c", "..", "{}", "e30.e30.e30"]) await assertRefused(assertion);
  });

  test("another grant type is an invalid grant", async () => {
    const { status, text } = await bench.requestToken(await bench.assertion(), "refresh_token");
    assert.equal(status, 400);
    assert.equal(JSON.parse(text).error, "invalid_grant");
  });

  async function assertRefused(assertion: string): Promise<void> {
    const { status, text } = await bench.requestToken(assertion);
    assert.equal(status, 400);
    assert.equal(JSON.parse(text).error, "invalid_grant");
  }
});

suite("no call is served without a token that the endpoint gave", { timeout: 30_000 }, () => {
  const path = "/bigquery/v2/projects/demo-project/datasets";

  test("not without an Authorization header", async () => {
    const { status, headers, text } = await bench.ask(path);
    assert.equal(status, 401);
    assert.match(headers["www-authenticate"] ?? "", /^Bearer/);
    assert.equal(JSON.parse(text).error.errors[0].reason, "required");
  });

  test("not with a token that it did not give", async () => {
    for (const value of [
      "Bearer ya29.sandbox-AAAA",
      "Bearer ",
      "Basic dXNlcjpwYXNz",
      `Bearer ${await bench.assertion()}`,
    ]) {
      const { status, text } = await bench.ask(path, { headers: { authorization: value } });
      assert.equal(status, 401, value);
      assert.equal(JSON.parse(text).error.errors[0].reason, "authError");
    }
  });

  test("not with a right token and another credential beside it", async () => {
    const authorization = `Bearer ${bench.token}`;
    for (const parameter of ["access_token", "key", "oauth_token"]) {
      const { status } = await bench.ask(`${path}?${parameter}=x`, { headers: { authorization } });
      assert.equal(status, 401, parameter);
    }
    const twice = await bench.ask(path, { headers: { authorization: [authorization, authorization] } });
    assert.equal(twice.status, 401);
  });

  test("not on a path that there is not, either: a stranger learns nothing", async () => {
    assert.equal((await bench.ask("/bigquery/v2/nothing")).status, 401);
  });

  test("a right token opens the door", async () => {
    assert.equal(
      (await bench.ask(path, { headers: { authorization: `Bearer ${bench.token}` } })).status,
      200,
    );
  });
});
