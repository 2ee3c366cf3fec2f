import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSessionKeys } from "../../src/identity/session-key.ts";
import type { SessionState } from "../../src/identity/session-state.ts";
import { SessionTokens } from "../../src/identity/session-token.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const now = Math.floor(Date.now() / 1000) * 1000;
const session: SessionState = {
  ...{ id: "o-1", state: "active", issuer: "https://idp.example", subject: "u-1", user: "ann@example.com" },
  ...{
    groups: ["a", "ü"],
    agent: "claude",
    purpose: "Bericht für März",
    startedAt: now,
    expiresAt: now + 60_000,
  },
  renewal: 900_000,
};

async function keysIn(directory: string, previousKeys: string[] = [], name = "session.key") {
  return await openSessionKeys({ keyFile: join(directory, "keys", name), previousKeys });
}

test("a token says what it was signed for, in characters that no client has to encode", async () => {
  const tokens = new SessionTokens(await keysIn(temporaryDirectory()));
  const token = tokens.sign({ session, placeholderKey: "AQAB" });
  assert.match(token, /^bqs1_[A-Za-z0-9_-]+$/);
  assert.deepEqual(tokens.verify(token), { session, placeholderKey: "AQAB" });
});

test("gateways with the same key take each other's tokens, others do not", async () => {
  const [here, elsewhere] = [temporaryDirectory(), temporaryDirectory()];
  const token = new SessionTokens(await keysIn(here)).sign({ session });
  assert.deepEqual(new SessionTokens(await keysIn(here)).verify(token), { session });
  assert.equal(new SessionTokens(await keysIn(elsewhere)).verify(token), undefined);
});

test("every character of a token counts", async () => {
  const tokens = new SessionTokens(await keysIn(temporaryDirectory()));
  const token = tokens.sign({ session });
  for (let at = 0; at < token.length; at += 1) {
    const changed = token.slice(0, at) + (token[at] === "A" ? "Q" : "A") + token.slice(at + 1);
    assert.equal(tokens.verify(changed), undefined, `character ${at}`);
    assert.equal(tokens.verify(token.slice(0, at)), undefined, `cut at ${at}`);
  }
});

test("the key is made once, for its owner's eyes only, however many gateways start at once", async () => {
  const directory = temporaryDirectory();
  const opened = await Promise.all(Array.from({ length: 8 }, () => keysIn(directory)));
  assert.equal(new Set(opened.map(({ id }) => id)).size, 1);
  assert.equal(statSync(join(directory, "keys", "session.key")).mode & 0o777, 0o600);
});

test("a key that was replaced is good for what it signed, as its public half alone too", async () => {
  const directory = temporaryDirectory();
  const token = new SessionTokens(await keysIn(directory, [], "old.key")).sign({ session });
  const old = join(directory, "keys", "old.key");
  const half = join(directory, "old.pub");
  const publicKey = createPublicKey(createPrivateKey(readFileSync(old)));
  writeFileSync(half, publicKey.export({ type: "spki", format: "pem" }));
  for (const previous of [old, half])
    assert.deepEqual(new SessionTokens(await keysIn(directory, [previous])).verify(token), { session });
  assert.equal(new SessionTokens(await keysIn(directory)).verify(token), undefined);
});

test("what is no Ed25519 key is refused with what to do", async () => {
  const directory = temporaryDirectory();
  await keysIn(directory);
  const file = join(directory, "keys", "session.key");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  await assert.rejects(keysIn(directory), /not Ed25519: make one with openssl genpkey -algorithm ed25519/);
  writeFileSync(file, "nothing");
  await assert.rejects(keysIn(directory), /identity.session.keyFile: .* is not a key in PEM/);
  await assert.rejects(keysIn(temporaryDirectory(), ["/nowhere"]), /names \/nowhere, which does not exist/);
});
