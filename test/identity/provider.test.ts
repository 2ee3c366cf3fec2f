import assert from "node:assert/strict";
import { test } from "node:test";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { codeFlow } from "./provider/sign-in.ts";
import { ADA, AUDIENCE, CLIENT_ID, ORCHESTRATOR, startProvider, type TestProvider } from "./provider.ts";

/*
 * The provider of these tests is oidc-provider with real keys, sign-ins and tokens.
 */

async function verify(provider: TestProvider, token: string, audience: string) {
  // As the provider is right now: nothing is kept from before.
  const jwks = createRemoteJWKSet(new URL("/jwks", provider.issuer));
  return await jwtVerify(token, jwks, { issuer: provider.issuer, audience });
}

test("an ID token says who signed in, in both algorithms", async (t) => {
  const provider = await startProvider(t);
  for (const algorithm of ["RS256", "ES256"] as const) {
    provider.configure({ algorithm });
    const { payload, protectedHeader } = await verify(provider, await provider.idToken(), CLIENT_ID);
    assert.equal(protectedHeader.alg, algorithm);
    const { sub, email, email_verified, groups } = payload;
    assert.deepEqual({ sub, email, email_verified, groups }, ADA);
  }
});

test("lifetimes and claims are as they are set, and nobody who is no account signs in", async (t) => {
  const odd = {
    sub: "1",
    email: "odd@example.com",
    realm_access: { roles: ["a"] },
    preferred_username: "odd",
  };
  const provider = await startProvider(t, { accounts: [odd], idTokenLifetime: 5 });
  const { payload } = await verify(provider, await provider.idToken(odd.email), CLIENT_ID);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 5);
  assert.deepEqual(payload.realm_access, odd.realm_access);
  await assert.rejects(provider.idToken("nobody@example.com"), /Nobody here/);
});

test("rotated keys sign what comes after; the old ones stay in the JWKS until they are forgotten", async (t) => {
  const provider = await startProvider(t);
  const before = await provider.idToken();
  provider.rotate();
  const after = await provider.idToken();
  assert.notEqual(decodeProtectedHeader(after).kid, decodeProtectedHeader(before).kid);
  await verify(provider, before, CLIENT_ID);
  await verify(provider, after, CLIENT_ID);
  provider.rotate({ forget: true });
  await assert.rejects(verify(provider, after, CLIENT_ID), { code: "ERR_JWKS_NO_MATCHING_KEY" });
});

test("a refresh token outlives rotation, changed settings and an outage, and tells new groups", async (t) => {
  const provider = await startProvider(t);
  const { refresh_token = "" } = await codeFlow(provider.issuer, CLIENT_ID, ADA.email);
  provider.rotate();
  provider.configure({ accounts: [{ ...ADA, groups: ["auditors"] }] });
  await provider.stop();
  await provider.start();
  const answer = await fetch(new URL("/token", provider.issuer), {
    method: "POST",
    body: new URLSearchParams({ grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token }),
  });
  const { id_token } = (await answer.json()) as { id_token: string };
  const { payload } = await verify(provider, id_token, CLIENT_ID);
  assert.deepEqual(payload.groups, ["auditors"]);
});

test("client credentials give a JWT for the gateways' audience", async (t) => {
  const provider = await startProvider(t, { accessTokenLifetime: 30 });
  const { clientId, clientSecret } = ORCHESTRATOR;
  const answer = await fetch(new URL("/token", provider.issuer), {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}` },
    body: new URLSearchParams({ grant_type: "client_credentials" }),
  });
  const { access_token } = (await answer.json()) as { access_token: string };
  const { payload } = await verify(provider, access_token, AUDIENCE);
  assert.deepEqual([payload.sub, payload.groups], [clientId, ["orchestrators"]]);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 30);
});

test("tests can sign claims of their own with its key", async (t) => {
  const provider = await startProvider(t);
  const token = await provider.sign(
    { iss: provider.issuer, aud: ["a", "b"], sub: "x" },
    { algorithm: "ES256" },
  );
  const { payload } = await verify(provider, token, "b");
  assert.equal(payload.sub, "x");
});
