import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import pino from "pino";
import { startGateway } from "../../src/commands/start-gateway.ts";
import { ConfigError } from "../../src/config/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { temporaryDirectory } from "../support/temporary.ts";

async function load(more: object, environment: NodeJS.ProcessEnv = {}): Promise<[Config, string]> {
  const directory = temporaryDirectory();
  const file = join(directory, "bqtape.yaml");
  writeFileSync(file, JSON.stringify({ credential: { type: "application-default" }, ...more }));
  return [await loadConfig({ file, environment }), directory];
}

const oidc = { issuer: "https://idp.example", audience: "bqtape" };

test("one provider is a list of one, with its defaults", async () => {
  const [{ identity }, directory] = await load({ identity: { oidc: { ...oidc, caFile: "ca.pem" } } });
  assert.deepEqual(identity.oidc, [
    {
      ...oidc,
      groupsClaim: ["groups"],
      groupsPrefix: "",
      requires: [],
      userClaim: "email",
      algorithms: ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
      scopes: "openid email profile",
      caFile: join(directory, "ca.pem"),
    },
  ]);
  assert.equal(identity.session.keyFile, join(directory, "certs/session.key"));
  assert.deepEqual(
    [identity.session.maxLength, identity.session.idle, identity.session.renewal],
    [12 * 3_600_000, 3_600_000, 900_000],
  );
});

test("a provider can come from the environment, key by key or whole", async () => {
  const [byKey] = await load(
    {},
    { BQTAPE_IDENTITY_OIDC_ISSUER: oidc.issuer, BQTAPE_IDENTITY_OIDC_AUDIENCE: oidc.audience },
  );
  const [whole] = await load({}, { BQTAPE_IDENTITY_OIDC: JSON.stringify([oidc]) });
  for (const { identity } of [byKey, whole]) assert.equal(identity.oidc?.[0]?.issuer, oidc.issuer);
});

const MISTAKES: readonly (readonly [what: string, more: object, says: RegExp])[] = [
  ["no audience", { oidc: { issuer: oidc.issuer } }, /"identity\.oidc\.audience" is missing/],
  [
    "an unknown key",
    { oidc: { ...oidc, client: "x" } },
    /unknown key "identity\.oidc\.client"\. Remove it; known/,
  ],
  [
    "plain HTTP",
    { oidc: { ...oidc, issuer: "http://idp.example" } },
    /"identity\.oidc\.issuer" is .*http only/,
  ],
  ["a query", { oidc: { ...oidc, issuer: "https://idp.example/?a" } }, /"identity\.oidc\.issuer" is/],
  [
    "HMAC",
    { oidc: { ...oidc, algorithms: ["HS256"] } },
    /"identity\.oidc\.algorithms\.0" is "HS256": expected one of RS256/,
  ],
  ["no signature", { oidc: { ...oidc, algorithms: ["none"] } }, /"identity\.oidc\.algorithms\.0" is "none"/],
  ["a provider twice", { oidc: [oidc, oidc] }, /expected each issuer once/],
  [
    "a mistake in the second",
    { oidc: [oidc, { ...oidc, audience: 1 }] },
    /"identity\.oidc\.1\.audience" is 1/,
  ],
  ["an empty list", { oidc: [] }, /"identity\.oidc" is/],
  ["an empty path", { oidc: { ...oidc, groupsClaim: "a..b" } }, /expected a claim's name/],
  ["a length without a unit", { session: { maxLength: "12" } }, /"identity\.session\.maxLength" is "12"/],
];

for (const [what, identity, says] of MISTAKES) {
  test(`refused in words: ${what}`, async () => {
    await assert.rejects(load({ identity }), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, says);
      return true;
    });
  });
}

const log = pino({ level: "silent" });

test("a gateway that could know nobody does not start", async () => {
  const [config] = await load({});
  await assert.rejects(startGateway(config, log), /name your identity provider in identity\.oidc/);
});

test("loopback mode goes with a loopback listener, tokens or not", async () => {
  const [config] = await load({ proxy: { listen: "0.0.0.0:0" }, identity: { loopback: true, oidc } });
  await assert.rejects(startGateway(config, log), /identity\.loopback goes with a proxy\.listen on loopback/);
});
