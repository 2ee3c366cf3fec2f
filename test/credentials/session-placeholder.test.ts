import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { openPlaceholder } from "../../src/credentials/placeholder.ts";
import { SessionPlaceholders } from "../../src/credentials/session-placeholder.ts";
import { TokenEndpoint } from "../../src/credentials/token-endpoint.ts";
import { SessionKey, STORAGE_URL, TOKEN_URL, tokenForm } from "../support/session-key.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const HOSTS = ["bigquery.googleapis.com", "bigquerystorage.googleapis.com"];
const SECRET = randomBytes(32);
const MINUTE = 60_000;

function placeholders(secret = SECRET): SessionPlaceholders {
  return new SessionPlaceholders(secret, (host) => HOSTS.includes(host));
}

const mine = new SessionKey("S-mine_1");
const theirs = new SessionKey("S-theirs");
const now = Math.floor(Date.now() / 1_000);

suite("a session's own JWT is accepted", () => {
  const FORMS: readonly (readonly [what: string, claims: object])[] = [
    ["for the Storage API", {}],
    ["for BigQuery's REST API", { aud: "https://bigquery.googleapis.com/" }],
    [
      "with scopes in place of an audience",
      { aud: undefined, scope: "https://www.googleapis.com/auth/bigquery" },
    ],
    ["by a clock that is four minutes fast", { iat: now + 240, exp: now + 3_840 }],
    ["by a clock that is four minutes slow", { iat: now - 3_840, exp: now - 240 }],
  ];
  for (const [what, claims] of FORMS) {
    test(what, async () => assert.equal(await placeholders().fault(mine.jwt(claims), mine), undefined));
  }

  test("at once when it was seen before, until it expires", async () => {
    const known = placeholders();
    const jwt = mine.jwt();
    await known.fault(jwt, mine);
    assert.equal(known.fault(jwt, mine), undefined);
    assert.equal(known.fault(jwt, mine, Date.now() + 64 * MINUTE), undefined);
    assert.equal(known.fault(jwt, mine, Date.now() + 66 * MINUTE), "it has expired");
  });
});

test("a session's account is its own name, in a form that is an e-mail address", () => {
  assert.equal(mine.email, "s-mine_1@bqtape.invalid");
});

suite("no JWT is accepted", () => {
  const JWTS: readonly (readonly [what: string, jwt: string])[] = [
    ["of another session", theirs.jwt()],
    ["of another session that says it is this one's", theirs.jwt({ iss: mine.email, sub: mine.email })],
    ["of this key in another session's name", mine.jwt({ iss: theirs.email, sub: theirs.email })],
    ["that acts for somebody else", mine.jwt({ sub: theirs.email })],
    ["without a subject", mine.jwt({ sub: undefined })],
    ["without a signature", mine.unsigned()],
    ["whose signature was cut off", `${mine.jwt().split(".").slice(0, 2).join(".")}.`],
    ["whose HMAC is made with the public key", mine.hmac()],
    ["of another RSA algorithm than it is signed with", mine.jwt({}, { alg: "PS256" })],
    ["that has expired", mine.jwt({ iat: now - 7_200, exp: now - 3_600 })],
    ["that is old, however long it says it is good", mine.jwt({ iat: now - 7_200, exp: now + 3_600 })],
    ["from the future", mine.jwt({ iat: now + 3_600, exp: now + 7_200 })],
    ["without an end", mine.jwt({ exp: undefined })],
    ["without a beginning", mine.jwt({ iat: undefined })],
    ["whose end is no number", mine.jwt({ exp: "never" })],
    ["that was signed for the token endpoint", mine.assertion()],
    ["for another site", mine.jwt({ aud: "https://evil.example/" })],
    ["for a site that ends like one", mine.jwt({ aud: "https://bigquery.googleapis.com.evil.example/" })],
    ["for several sites", mine.jwt({ aud: [STORAGE_URL, "https://evil.example/"] })],
    ["for no site and no scope", mine.jwt({ aud: undefined })],
    ["with an extension that must be understood", mine.jwt({}, { crit: ["b64"], b64: false })],
    [
      "that brings the key that signed it",
      theirs.jwt(
        { iss: mine.email, sub: mine.email },
        { jwk: theirs.publicKey.export({ format: "jwk" }), kid: "1" },
      ),
    ],
    ["that is longer than any client's", mine.jwt({ filler: "x".repeat(8_192) })],
    ["of five parts", `${mine.jwt()}.a.b`],
    ["of nothing", ".."],
    ["that is none", "ya29.an-access-token-of-google"],
  ];
  for (const [what, jwt] of JWTS) {
    test(what, async () => {
      const known = placeholders();
      assert.equal(typeof (await known.fault(jwt, mine)), "string");
      assert.equal(typeof (await known.fault(jwt, mine)), "string", "nor the second time");
    });
  }

  test("that another session was known by", async () => {
    const known = placeholders();
    const jwt = theirs.jwt();
    assert.equal(await known.fault(jwt, theirs), undefined);
    assert.equal(known.fault(jwt, mine), "it is another session's");
    const renamed = { session: mine.session, placeholderKey: theirs.placeholderKey };
    assert.equal(known.fault(jwt, renamed), "it is another session's");
    const rekeyed = { session: theirs.session, placeholderKey: mine.placeholderKey };
    assert.equal(known.fault(jwt, rekeyed), "it is another session's");
  });

  test("by a session whose key is too short, or none", async () => {
    for (const placeholderKey of ["AQAB", "", "!"]) {
      assert.equal(typeof (await placeholders().fault(mine.jwt(), { ...mine, placeholderKey })), "string");
    }
  });
});

suite("an access token is its session's, for an hour, at every gateway that has the secret", () => {
  test("it is accepted at once, by this gateway and others", () => {
    const token = placeholders().issue(mine);
    assert.match(token, /^bqtape-placeholder-[0-9a-z]+-[A-Za-z0-9_-]{43}$/);
    assert.equal(placeholders().fault(token, mine), undefined);
    assert.equal(placeholders().fault(token, mine, Date.now() + 64 * MINUTE), undefined);
  });

  test("it is known again until it expires, and to no other session", () => {
    const known = placeholders();
    const given = known.issue(mine);
    for (let time = 0; time < 2; time += 1) {
      assert.equal(known.fault(given, mine), undefined);
      assert.equal(typeof known.fault(given, theirs), "string");
      assert.equal(known.fault(given, mine, Date.now() + 66 * MINUTE), "it has expired");
    }
  });

  const token = placeholders().issue(mine);
  const [, end = "", mac = ""] = /^bqtape-placeholder-([0-9a-z]+)-(.+)$/.exec(token) ?? [];
  const later = (Number.parseInt(end, 36) + 86_400).toString(36);
  const TOKENS: readonly (readonly [what: string, token: string])[] = [
    ["another session's", placeholders().issue(theirs)],
    ["of the session's name and another key", placeholders().issue({ ...theirs, session: mine.session })],
    ["of another authority's gateway", placeholders(randomBytes(32)).issue(mine)],
    ["that has expired", placeholders().issue(mine, Date.now() - 66 * MINUTE)],
    ["whose end was put off", `bqtape-placeholder-${later}-${mac}`],
    ["whose end is written otherwise", `bqtape-placeholder-0${end}-${mac}`],
    ["without its MAC", `bqtape-placeholder-${end}-`],
    ["with a part of its MAC", token.slice(0, -1)],
    ["with more behind it", `${token}A`],
    ["as the shared placeholder's are", "bqtape-placeholder-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  ];
  for (const [what, given] of TOKENS) {
    test(`one ${what} is refused`, () => {
      const known = placeholders();
      assert.equal(typeof known.fault(given, mine), "string");
      assert.equal(typeof known.fault(given, mine), "string", "nor the second time");
    });
  }
});

suite("the token endpoint answers the session of the connection, and no other", () => {
  const known = placeholders();
  const opened = openPlaceholder(`${temporaryDirectory()}/credentials.json`, "my-project");
  const answer = async (assertion: string) => {
    const request = { method: "POST", target: "/token", body: Buffer.from(tokenForm(assertion)) };
    return await new TokenEndpoint(await opened, known).answer(request, mine);
  };

  test("its own assertion gets a token that is its own", async () => {
    const { status, body, mismatch } = await answer(mine.assertion());
    const { access_token, expires_in } = JSON.parse(body.toString()) as Record<string, string | number>;
    assert.deepEqual([status, mismatch, expires_in], [200, undefined, 3_600]);
    assert.equal(known.fault(String(access_token), mine), undefined);
    assert.equal(typeof known.fault(String(access_token), theirs), "string");
  });

  const ASSERTIONS: readonly (readonly [what: string, assertion: string])[] = [
    ["another session's", theirs.assertion()],
    ["another session's that says it is this one's", theirs.assertion({ iss: mine.email })],
    ["one that acts for somebody else", mine.assertion({ sub: "someone@else.example" })],
    ["one that has expired", mine.assertion({ iat: now - 7_200, exp: now - 3_600 })],
    ["a JWT for BigQuery", mine.jwt()],
    ["one without a signature", mine.unsigned()],
    ["one whose HMAC is made with the public key", mine.hmac()],
    ["one for another endpoint too", mine.assertion({ aud: [TOKEN_URL, "https://evil.example/token"] })],
    ["none", ""],
  ];
  for (const [what, assertion] of ASSERTIONS) {
    test(`${what} gets none, in OAuth's words`, async () => {
      const { status, body, mismatch } = await answer(assertion);
      const { error, access_token } = JSON.parse(body.toString()) as Record<string, string>;
      assert.deepEqual([status, error, access_token], [400, "invalid_grant", undefined]);
      assert.equal(typeof mismatch, "string");
    });
  }
});
