import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { AUDIENCE, CLIENT_ID, startProvider } from "../identity/provider.ts";
import { limitProcess } from "../support/time-limit.ts";
import { closedPort } from "../support/upstream.ts";
import { assertSound, assertTold, beforeUpstream, type ConfigInput, examined } from "./support.ts";

limitProcess(90_000);

const limit = { timeout: 30_000 };

type Oidc = Exclude<NonNullable<NonNullable<ConfigInput["identity"]>["oidc"]>, readonly unknown[]>;

async function look(t: TestContext, oidc: Oidc) {
  const { config } = await beforeUpstream(t);
  return await examined({ file: config({ identity: { oidc } }) }, "idp");
}

/** A provider whose documents are what a test wants. */
async function saying(
  t: TestContext,
  metadata: (issuer: string) => object,
  keys: readonly object[] = [{ kty: "RSA", kid: "1", n: "AQAB", e: "AQAB" }],
): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(request.url === "/keys" ? { keys } : metadata(issuer)));
  });
  server.listen(0, "127.0.0.1");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return issuer;
}

test("a provider that is well is told so: metadata, keys, signatures, signing in", limit, async (t) => {
  const { issuer } = await startProvider(t);
  const reports = await look(t, { issuer, audience: AUDIENCE, clientId: CLIENT_ID });
  assertSound(reports);
  assertTold(reports, "idp.keys", "ok", /\d+ of its \d+ keys/);
  assertTold(reports, "idp.algorithms", "ok", /signs with RS256/);
  assertTold(reports, "idp.login", "ok", /bqtape login as bqtape-cli/);
});

test("a provider that is away, and what is none", limit, async (t) => {
  const away = `http://127.0.0.1:${await closedPort()}`;
  const nobody = await look(t, { issuer: away, audience: AUDIENCE });
  assertTold(nobody, "idp.discovery", "fail", /nothing listens there/, /identity\.oidc\.issuer/);
  const { issuer } = await startProvider(t);
  const page = await look(t, { issuer: `${issuer}/realm`, audience: AUDIENCE });
  assertTold(page, "idp.discovery", "fail", /answers with status 404/, /an OpenID provider's issuer/);
});

test("an issuer that calls itself otherwise is told with what it says", limit, async (t) => {
  const issuer = await saying(t, (own) => ({ issuer: `${own}/`, jwks_uri: `${own}/keys` }));
  const reports = await look(t, { issuer, audience: AUDIENCE });
  assertTold(
    reports,
    "idp.discovery",
    "fail",
    /says that it is ".*\/"/,
    /set identity\.oidc\.issuer to ".*\/"/,
  );
});

test("a provider that signs with nothing that is taken", limit, async (t) => {
  const { issuer } = await startProvider(t);
  const reports = await look(t, { issuer, audience: AUDIENCE, algorithms: ["ES512"] });
  assertTold(
    reports,
    "idp.algorithms",
    "fail",
    /identity\.oidc\.algorithms takes ES512/,
    /name one of the provider's/,
  );
  assertTold(reports, "idp.keys", "fail", /has no key for ES512/, /identity\.oidc\.algorithms/);
});

test("metadata without keys, and keys that sign nothing", limit, async (t) => {
  const without = await saying(t, (issuer) => ({ issuer }));
  const none = await look(t, { issuer: without, audience: AUDIENCE });
  assertTold(none, "idp.keys", "fail", /names no jwks_uri/, /publish/);
  const forEncryption = [{ kty: "RSA", use: "enc", n: "AQAB", e: "AQAB" }];
  const issuer = await saying(t, (own) => ({ issuer: own, jwks_uri: `${own}/keys` }), forEncryption);
  const unfit = await look(t, { issuer, audience: AUDIENCE });
  assertTold(unfit, "idp.keys", "fail", /has no key for RS256/, /identity\.oidc\.algorithms/);
});

test("a clientId that nobody could sign in with", limit, async (t) => {
  const bare = await saying(t, (own) => ({ issuer: own, jwks_uri: `${own}/keys` }));
  const nobody = await look(t, { issuer: bare, audience: AUDIENCE, clientId: "cli" });
  assertTold(nobody, "idp.login", "fail", /token_endpoint.*nobody can bqtape login as cli/, /device flow/);
  const browser = await saying(t, (own) => ({
    ...{ issuer: own, jwks_uri: `${own}/keys` },
    ...{ token_endpoint: `${own}/token`, authorization_endpoint: `${own}/auth` },
  }));
  const here = await look(t, { issuer: browser, audience: AUDIENCE, clientId: "cli" });
  assertTold(here, "idp.login", "warn", /no device_authorization_endpoint/, /offer it to cli/);
});
