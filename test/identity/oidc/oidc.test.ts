import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type IdentityConfig, identitySchema } from "../../../src/config/identity.ts";
import type { IdToken } from "../../../src/identity/oidc/issuer.ts";
import { Oidc } from "../../../src/identity/oidc/oidc.ts";
import { startIssuer, type TokenParts } from "../issuer.ts";

const OPTIONS = { timeout: 20_000 } as const;

async function opened(
  t: TestContext,
  configs: readonly Record<string, unknown>[],
): Promise<{ oidc: Oidc; errors: string[] }> {
  const errors: string[] = [];
  const { oidc = [] }: IdentityConfig = identitySchema.parse({ oidc: configs });
  const opening = await Oidc.open(oidc, ({ message }) => errors.push(message));
  t.after(() => opening.close());
  return { oidc: opening, errors };
}

async function single(t: TestContext, more: Record<string, unknown> = {}) {
  const issuer = await startIssuer(t);
  return { issuer, ...(await opened(t, [{ issuer: issuer.url, audience: "bqtape", ...more }])) };
}

test("a token of a trusted provider says who it is, in which groups, and until when", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t);
  const exp = Math.floor(Date.now() / 1000) + 60;
  const { id, ...read } = (await oidc.verify(await issuer.token({ claims: { exp } }))) as IdToken;
  assert.match(id, /^[A-Za-z0-9_-]{22}$/);
  assert.deepEqual(read, {
    issuer: issuer.url,
    subject: "u-1",
    user: "ann@example.com",
    groups: ["analysts", "staff"],
    expiresAt: exp * 1000,
  });
});

const GROUPS: readonly (readonly [
  path: unknown,
  claims: Record<string, unknown>,
  groups: readonly string[],
])[] = [
  ["groups", { groups: "one" }, ["one"]],
  ["groups", { groups: "one two,three" }, ["one", "two", "three"]],
  ["groups", { groups: undefined }, []],
  ["groups", { groups: ["one", "one"] }, ["one"]],
  ["realm_access.roles", { realm_access: { roles: ["admin"] } }, ["admin"]],
  ["realm_access.roles", { realm_access: "none" }, []],
  [["https://example.com/roles"], { "https://example.com/roles": ["a"] }, ["a"]],
  ["__proto__.constructor", {}, []],
];

for (const [groupsClaim, claims, expected] of GROUPS) {
  test(`groups at ${JSON.stringify(groupsClaim)} of ${JSON.stringify(claims)}`, OPTIONS, async (t) => {
    const { issuer, oidc } = await single(t, { groupsClaim });
    const read = await oidc.verify(await issuer.token({ claims }));
    assert.deepEqual("groups" in read && read.groups, expected);
  });
}

const USERS: readonly (readonly [claims: Record<string, unknown>, user: string])[] = [
  [{ email_verified: undefined }, "ann@example.com"],
  [{ email: undefined, preferred_username: "ann" }, "ann"],
  [{ email: undefined }, "u-1"],
  [{ email_verified: false }, "u-1"],
  [{ email_verified: "false", preferred_username: "ann" }, "ann"],
  // Whoever writes another's address into one field can write it into the other.
  [{ email: "boss@example.com", email_verified: false, preferred_username: "boss@example.com" }, "u-1"],
  [{ email: "ann@example.com\nboss@example.com" }, "u-1"],
];

for (const [claims, user] of USERS) {
  test(`a person with ${JSON.stringify(claims)} is called ${user}`, OPTIONS, async (t) => {
    const { issuer, oidc } = await single(t);
    const read = await oidc.verify(await issuer.token({ claims }));
    assert.equal("user" in read && read.user, user);
  });
}

const now = (): number => Math.floor(Date.now() / 1000);
const REFUSED: readonly (readonly [what: string, parts: () => TokenParts, reason: string])[] = [
  ["expired a minute ago", () => ({ claims: { exp: now() - 60 } }), "expired"],
  ["no expiry", () => ({ claims: { exp: undefined } as never }), "claim-exp"],
  ["not valid before the next minute", () => ({ claims: { nbf: now() + 60 } }), "claim-nbf"],
  ["issued in the next minute", () => ({ claims: { iat: now() + 60 } }), "issued-later"],
  ["another audience", () => ({ claims: { aud: "other" } }), "claim-aud"],
  ["no audience", () => ({ claims: { aud: undefined } as never }), "claim-aud"],
  ["another issuer", () => ({ claims: { iss: "https://elsewhere.example" } }), "unknown-issuer"],
  ["no subject", () => ({ claims: { sub: undefined } as never }), "claim-sub"],
  ["a subject of another type", () => ({ claims: { sub: 7 } as never }), "subject"],
  ["an empty subject", () => ({ claims: { sub: "" } }), "subject"],
  ["a subject with a line break", () => ({ claims: { sub: "a\nb" } }), "subject"],
  ["another client's token", () => ({ claims: { azp: "other" } }), "authorized-party"],
  ["several audiences and no party", () => ({ claims: { aud: ["bqtape", "b"] } }), "authorized-party"],
  ["groups that are no names", () => ({ claims: { groups: [1] } }), "groups"],
  [
    "too many groups",
    () => ({ claims: { groups: Array.from({ length: 201 }, (_, i) => `g${i}`) } }),
    "groups",
  ],
  ["an access token", () => ({ header: { typ: "at+jwt" } }), "unknown-issuer"],
  ["a logout token", () => ({ header: { typ: "logout+jwt" } }), "unknown-issuer"],
];

for (const [what, parts, reason] of REFUSED) {
  test(`refused: ${what}`, OPTIONS, async (t) => {
    const { issuer, oidc } = await single(t);
    assert.deepEqual(await oidc.verify(await issuer.token(parts())), { refused: reason });
  });
}

test("clocks may differ by half a minute", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t);
  const claims = { exp: now() - 15, nbf: now() + 15, iat: now() + 15 };
  assert.ok("subject" in (await oidc.verify(await issuer.token({ claims }))));
});

test("an authorised party is one that the configuration names", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t, { authorizedParties: ["cli"] });
  assert.ok("subject" in (await oidc.verify(await issuer.token({ claims: { azp: "cli" } }))));
  assert.deepEqual(await oidc.verify(await issuer.token()), { refused: "authorized-party" });
});

test("of several providers each speaks for itself alone", OPTIONS, async (t) => {
  const [one, two] = [await startIssuer(t), await startIssuer(t)];
  const { oidc } = await opened(t, [
    { issuer: one.url, audience: "bqtape" },
    { issuer: two.url, audience: "bqtape", groupsClaim: "roles" },
  ]);
  assert.ok("subject" in (await oidc.verify(await one.token())));
  const read = await oidc.verify(await two.token({ claims: { roles: "r" } }));
  assert.deepEqual("groups" in read && [read.issuer, read.groups], [two.url, ["r"]]);
  const forged = await oidc.verify(await two.token({ claims: { iss: one.url } }));
  assert.ok("refused" in forged);
});

test("keys are rotated under load without one refused token", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t);
  let refused = 0;
  for (let round = 0; round < 5; round += 1) {
    await issuer.rotate({ alg: ["RS256", "ES256", "EdDSA", "PS256"][round % 4] ?? "RS256" });
    const tokens = await Promise.all(
      Array.from({ length: 30 }, (_, at) => issuer.token({ claims: { jti: `${round}-${at}` } })),
    );
    const read = await Promise.all(tokens.map((token) => oidc.verify(token)));
    refused += read.filter((one) => "refused" in one).length;
    // A provider that rotates every second is none; what is refused within one is that keys are asked for.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
  }
  assert.equal(refused, 0);
  assert.equal(issuer.asked(), 5);
});

test("made-up keys do not have the provider asked at will", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t);
  const token = await issuer.token();
  assert.ok("subject" in (await oidc.verify(token)));
  await issuer.rotate({ publish: false });
  const made = await Promise.all(
    Array.from({ length: 50 }, (_, at) => issuer.token({ header: { kid: `made-up-${at}` } })),
  );
  for (const one of made) assert.deepEqual(await oidc.verify(one), { refused: "unknown-key" });
  assert.ok(issuer.asked() <= 2, `asked ${issuer.asked()} times`);
});

test(
  "the last good keys stay in use while the provider is away, and the operator is told",
  OPTIONS,
  async (t) => {
    const { issuer, oidc, errors } = await single(t);
    assert.ok("subject" in (await oidc.verify(await issuer.token())));
    issuer.away(true);
    const known = await issuer.token({ claims: { jti: "later" } });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await issuer.rotate({ publish: false });
    assert.deepEqual(await oidc.verify(await issuer.token()), { refused: "unknown-key" });
    assert.ok("subject" in (await oidc.verify(known)));
    assert.match(errors[0] ?? "", /the keys of issuer .* cannot be fetched: .*503/);
  },
);

test("without any key ever fetched nobody is let in", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t);
  issuer.away(true);
  assert.deepEqual(await oidc.verify(await issuer.token()), { refused: "keys-unavailable" });
});

test("a token that is known costs no signature, and ends when it says", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t);
  const token = await issuer.token({ claims: { exp: now() + 1 } });
  const first = await oidc.verify(token);
  assert.equal(oidc.verify(token), first);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  assert.deepEqual(await oidc.verify(token), { refused: "expired" });
});

test("a key that the provider withdraws takes what it signed with it", OPTIONS, async (t) => {
  const { issuer, oidc } = await single(t);
  const token = await issuer.token();
  assert.ok("subject" in (await oidc.verify(token)));
  (issuer.keys as unknown[]).length = 0;
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await issuer.rotate();
  assert.ok("subject" in (await oidc.verify(await issuer.token({ claims: { sub: "u-2" } }))));
  assert.ok("refused" in (await oidc.verify(token)));
});
