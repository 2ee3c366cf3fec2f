import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { decodeJwt } from "jose";
import { LoginStore } from "../../../src/identity/client/login-store.ts";
import { freshLogin } from "../../../src/identity/client/refresh.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { codeFlow } from "../provider/sign-in.ts";
import { ADA, CLIENT_ID, type Settings, startProvider, type TestProvider } from "../provider.ts";

/*
 * A person who has signed in is not asked again while the provider knows them; what keeps that is theirs alone.
 */

const GATEWAY = "https://gateway.example";

/** Ada, signed in for the gateway. */
async function signedIn(t: TestContext, settings: Partial<Settings> = {}) {
  const provider = await startProvider(t, settings);
  const { id_token: idToken, refresh_token } = await codeFlow(provider.issuer, CLIENT_ID, ADA.email);
  const { iat: issuedAt = 0, exp: expiresAt = 0 } = decodeJwt(idToken);
  const directory = join(temporaryDirectory(), "state");
  const store = new LoginStore(directory);
  await store.exclusive(() =>
    store.put(GATEWAY, {
      ...{ issuer: provider.issuer, clientId: CLIENT_ID, scope: "openid email profile offline_access" },
      ...{ idToken, issuedAt, expiresAt, refreshToken: refresh_token ?? "" },
    }),
  );
  provider.requests.length = 0;
  return { provider, directory, store, idToken };
}

function refreshes(provider: TestProvider): number {
  return provider.requests.filter((request) => request === "POST /token").length;
}

test("a token that is good for a while is used again, without asking the provider", async (t) => {
  const { provider, store, idToken } = await signedIn(t);
  assert.equal((await freshLogin(store, GATEWAY))?.idToken, idToken);
  assert.deepEqual(provider.requests, []);
});

test("one that is about to expire, or is older than wanted, is refreshed, and tells new groups", async (t) => {
  const { provider, store } = await signedIn(t, { idTokenLifetime: 30 });
  provider.configure({ accounts: [{ ...ADA, groups: ["auditors"] }], idTokenLifetime: 600 });
  const about = await freshLogin(store, GATEWAY);
  assert.deepEqual(decodeJwt(about?.idToken ?? "").groups, ["auditors"]);
  assert.equal(refreshes(provider), 1);
  const newer = await freshLogin(store, GATEWAY, { issuedSince: Date.now() / 1000 + 3_600 });
  assert.equal(refreshes(provider), 2);
  assert.deepEqual(await store.find(GATEWAY), newer);
});

test("of eight processes that want a fresh one at once, one refreshes it", { timeout: 60_000 }, async (t) => {
  const { provider, directory, store } = await signedIn(t, { idTokenLifetime: 30 });
  provider.configure({ idTokenLifetime: 600 });
  const fixture = join(import.meta.dirname, "fresh-login.fixture.ts");
  const processes = Array.from({ length: 8 }, () => {
    const child = spawn(process.execPath, [fixture, directory, GATEWAY], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    return child;
  });
  await Promise.all(processes.map(({ stdout }) => once(stdout, "readable")));
  const printed = processes.map(async (child) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    child.stdin.end();
    await once(child, "close");
    return text;
  });
  const said = new Set(await Promise.all(printed));
  const kept = (await store.find(GATEWAY))?.idToken;
  assert.deepEqual(said, new Set([`ready\n${kept}\n`]));
  assert.equal(refreshes(provider), 1);
});

test("a person whom the provider no longer knows has to sign in again, and the old token is gone", async (t) => {
  const { provider, store } = await signedIn(t, { idTokenLifetime: 30 });
  const { refreshToken = "" } = (await store.find(GATEWAY)) ?? {};
  await fetch(new URL("/token/revocation", provider.issuer), {
    method: "POST",
    body: new URLSearchParams({ client_id: CLIENT_ID, token: refreshToken }),
  });
  assert.equal(await freshLogin(store, GATEWAY), undefined);
  assert.equal(await store.find(GATEWAY), undefined);
});

test("a provider that is away costs nobody their sign-in", async (t) => {
  const { provider, store } = await signedIn(t, { idTokenLifetime: 30 });
  await provider.stop();
  await assert.rejects(freshLogin(store, GATEWAY), {
    name: "LoginError",
    message: /cannot be used: .*ECONNREFUSED/,
  });
  await provider.start();
  assert.notEqual((await freshLogin(store, GATEWAY))?.idToken, undefined);
});

test("a sign-in for one gateway is not shown to another", async (t) => {
  const { store } = await signedIn(t);
  for (const other of ["https://evil.example", `${GATEWAY}:444`, "http://gateway.example", "__proto__"])
    assert.equal(await freshLogin(store, other), undefined, other);
});

test("tokens that others could have read or laid there are not used", async (t) => {
  const { store, directory } = await signedIn(t);
  for (const mode of [0o640, 0o604, 0o622]) {
    chmodSync(store.file, mode);
    await assert.rejects(store.find(GATEWAY), /can be read or written by others/);
  }
  chmodSync(store.file, 0o600);
  const elsewhere = join(directory, "elsewhere.json");
  renameSync(store.file, elsewhere);
  symlinkSync(elsewhere, store.file);
  await assert.rejects(store.find(GATEWAY), { code: "ELOOP" });
});

test("a damaged file is named, with what to do", async () => {
  const directory = temporaryDirectory();
  const store = new LoginStore(directory);
  mkdirSync(directory, { recursive: true });
  for (const text of ["", "{", "[]", '{"version":2,"logins":{}}', '{"version":1,"logins":{"a":{}}}']) {
    writeFileSync(store.file, text, { mode: 0o600 });
    await assert.rejects(store.find(GATEWAY), /tokens.json is damaged: remove it, and sign in again/);
  }
});
