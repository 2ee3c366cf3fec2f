import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { decodeJwt } from "jose";
import type { Login } from "../../../src/identity/client/login-store.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { ADA, CLIENT_ID, startProvider, type TestProvider } from "../provider.ts";
import { heading, newPerson } from "./person.ts";
import { type Program, start } from "./program.ts";

/*
 * A person signs in once, with their own browser, and nobody else can take part: what else comes to the port ends nothing, what
 * is gained only they can read.
 */

/** Never asked: issuer and client are named. */
const GATEWAY = "http://127.0.0.1:8081";

interface Given {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly state?: string;
}

function login(
  t: TestContext,
  { issuer }: Pick<TestProvider, "issuer">,
  given: Given = {},
): Program & { state: string } {
  const state = given.state ?? temporaryDirectory();
  const target = ["--gateway", GATEWAY, "--issuer", issuer, "--client-id", CLIENT_ID];
  const env = { ...given.env, XDG_STATE_HOME: state };
  return Object.assign(start(t, ["login", ...target, ...(given.flags ?? [])], { env }), { state });
}

function tokensFile(state: string): string {
  return join(state, "bqtape", "tokens.json");
}

function keptIn(state: string): Login | undefined {
  const file = JSON.parse(readFileSync(tokensFile(state), "utf8")) as { logins: Record<string, Login> };
  return file.logins[GATEWAY];
}

test("a person signs in with their browser, which is opened for them", { timeout: 60_000 }, async (t) => {
  const person = await newPerson(t);
  if (person === undefined) return;
  const provider = await startProvider(t);
  const directory = temporaryDirectory();
  const browser = join(directory, "browser");
  writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" >${directory}/opened\n`);
  chmodSync(browser, 0o700);
  const program = login(t, provider, { env: { BROWSER: browser } });
  const url = await program.address();

  const page = await person.open(url);
  assert.equal(await person.signIn(page, ADA.email), "You are signed in");
  assert.equal(await program.end(), 0, program.stderr);
  assert.equal(program.stdout, `Signed in as ${ADA.email} at ${provider.issuer}, for ${GATEWAY}\n`);
  assert.equal(readFileSync(join(directory, "opened"), "utf8"), url);

  const asked = new URL(url).searchParams;
  assert.equal(asked.get("code_challenge_method"), "S256");
  for (const name of ["state", "nonce", "code_challenge"]) assert.match(asked.get(name) ?? "", /^[\w-]{43}$/);
  const kept = keptIn(program.state);
  assert.deepEqual(decodeJwt(kept?.idToken ?? "").groups, ADA.groups);
  assert.match(kept?.refreshToken ?? "", /^[\w-]{20,}$/);
  assert.equal(statSync(tokensFile(program.state)).mode & 0o777, 0o600);
  assert.equal(statSync(join(program.state, "bqtape")).mode & 0o777, 0o700);
  // The port was for this once.
  await assert.rejects(fetch(asked.get("redirect_uri") ?? ""), /fetch failed/);
});

test("what else comes to the port ends nothing and is told nothing", { timeout: 60_000 }, async (t) => {
  const person = await newPerson(t);
  if (person === undefined) return;
  const provider = await startProvider(t);
  const program = login(t, provider, { flags: ["--no-device"] });
  const url = await program.address();
  const asked = new URL(url).searchParams;
  const [callback, state] = [asked.get("redirect_uri") ?? "", asked.get("state") ?? ""];
  const strangers: [what: string, url: string, method: string, host?: string][] = [
    ["a guess", `${callback}?code=x&state=${"a".repeat(43)}`, "GET"],
    ["an end without a state", `${callback}?error=access_denied`, "GET"],
    ["another page", `${new URL(callback).origin}/?code=x&state=${state}`, "GET"],
    ["a form", `${callback}?code=x&state=${state}`, "POST"],
    ["a name pointed here", `${callback}?code=x&state=${state}`, "GET", "rebound.example"],
    ["a target that is no path", callback, "OPTIONS"],
  ];
  for (const [what, target, method, host] of strangers)
    assert.equal(await statusOf(target, method, host), 404, what);
  assert.equal(await person.signInAt(url, ADA.email), "You are signed in");
  assert.equal(await program.end(), 0, program.stderr);
});

test("a person who refuses is not signed in, and both sides say so", { timeout: 60_000 }, async (t) => {
  const person = await newPerson(t);
  if (person === undefined) return;
  const provider = await startProvider(t);
  const program = login(t, provider, { flags: ["--no-device"] });
  const page = await person.open(await program.address());
  await page.getByLabel("E-mail").fill(ADA.email);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Refuse" }).click();
  assert.equal(await heading(page), "You are not signed in");
  assert.equal(await program.end(), 1);
  assert.match(program.stderr, /^bqtape: not signed in: access_denied: the person said no$/m);
  assert.throws(() => keptIn(program.state), { code: "ENOENT" });
});

test("where there is no browser, a person signs in with one elsewhere", { timeout: 60_000 }, async (t) => {
  const person = await newPerson(t);
  if (person === undefined) return;
  const provider = await startProvider(t);
  const program = login(t, provider, { flags: ["--json"], env: { DISPLAY: ":0", SSH_TTY: "/dev/pts/0" } });
  const page = await person.open(await program.address());
  const [, code = ""] = await program.said(/enter the code ([A-Z-]+)\n/);
  assert.equal(await page.locator("code").textContent(), code);
  await page.getByRole("button", { name: "Continue" }).click();
  assert.equal(await person.signIn(page, ADA.email), "Sign-in Success");
  assert.equal(await program.end(), 0, program.stderr);
  const { expiresAt, ...said } = JSON.parse(program.stdout) as Record<string, unknown>;
  assert.deepEqual(said, { gateway: GATEWAY, issuer: provider.issuer, user: ADA.email, refreshed: true });
  assert.equal(Date.parse(String(expiresAt)) / 1000, keptIn(program.state)?.expiresAt);
});

test("a provider that is away, none, or not on https is named, and nothing is sent to it", async (t) => {
  const provider = await startProvider(t);
  await provider.stop();
  const away = login(t, provider);
  assert.equal(await away.end(), 1);
  assert.match(away.stderr, /^bqtape: the OpenID provider http:\S+ cannot be used: .*ECONNREFUSED/);
  const args = ["login", "--gateway", GATEWAY, "--client-id", "x", "--issuer"];
  for (const issuer of ["http://idp.example", "file:///etc/passwd", "idp.example"]) {
    const program = start(t, [...args, issuer]);
    assert.equal(await program.end(), 1);
    assert.match(program.stderr, /is no https URL: name another with --issuer/);
  }
});

test("a provider's words cannot command the terminal, nor its pages be anywhere", async (t) => {
  const answers: Record<string, (issuer: string) => object> = {
    "/.well-known/openid-configuration": (issuer) => ({
      ...{ issuer, authorization_endpoint: "http://idp.example/auth", token_endpoint: `${issuer}/token` },
      ...{ jwks_uri: `${issuer}/jwks`, device_authorization_endpoint: `${issuer}/device` },
    }),
    "/device": () => ({ error: "access_denied", error_description: "\u001b]0;owned\u0007\u202egone" }),
  };
  const hostile = createServer((request, response) => {
    const issuer = `http://${request.headers.host}`;
    const answer = answers[request.url ?? ""]?.(issuer);
    response.writeHead(request.url === "/device" ? 400 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
  });
  hostile.listen(0, "127.0.0.1");
  await once(hostile, "listening");
  t.after(() => hostile.close());
  const issuer = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`;

  const device = login(t, { issuer }, { flags: ["--device"] });
  assert.equal(await device.end(), 1);
  assert.match(device.stderr, /not signed in: access_denied: /);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  assert.doesNotMatch(device.stderr, /[\u0000-\u0009\u000b-\u001f\u202e]/);
  const browser = login(t, { issuer }, { flags: ["--no-device"] });
  assert.equal(await browser.end(), 1);
  assert.match(browser.stderr, /the provider's sign-in page http:\/\/idp.example is not on https/);
});

/** Status of a request with whatever `Host`. */
async function statusOf(url: string, method: string, host = new URL(url).host): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  request(url, { method, headers: { host } }, (response) => {
    response.resume();
    resolve(response.statusCode);
  })
    .once("error", reject)
    .end();
  return await promise;
}
