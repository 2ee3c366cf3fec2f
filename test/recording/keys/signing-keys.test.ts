import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError } from "../../../src/config/errors.ts";
import { hasIntroduced, isSignedBy, parseJwk, publicJwk, signerOf } from "../../../src/recording/keys/jwk.ts";
import { readKeyFile } from "../../../src/recording/keys/key-file.ts";
import { knownKeys, SigningKeys } from "../../../src/recording/keys/signing-keys.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

test("a key is made on the first start, its owner's alone, and is the same ever after", async () => {
  const directory = join(temporaryDirectory(), "keys");
  const keys = await SigningKeys.open(directory);
  assert.equal(statSync(join(directory, "signing.pem")).mode & 0o777, 0o600);
  assert.equal((await SigningKeys.open(directory)).kid, keys.kid);
  const [known] = await knownKeys(directory);
  assert.ok(known?.current && known.jwk.kid === keys.kid);
  assert.ok(isSignedBy(known.jwk, "text", keys.sign("text")));
  assert.ok(!isSignedBy(known.jwk, "another", keys.sign("text")));
});

test("processes that start at once agree on one key", async () => {
  const directory = join(temporaryDirectory(), "keys");
  const opened = await Promise.all(Array.from({ length: 8 }, () => SigningKeys.open(directory)));
  assert.equal(new Set(opened.map(({ kid }) => kid)).size, 1);
  assert.equal(readdirSync(directory).length, 2);
});

test("a rotated key is introduced by the one before, and taken up by whoever has the folder open", async () => {
  const directory = join(temporaryDirectory(), "keys");
  const running = await SigningKeys.open(directory);
  const before = running.kid;
  const next = await (await SigningKeys.open(directory)).rotate();
  assert.equal(running.kid, before);
  await running.refresh();
  assert.equal(running.kid, next.kid);
  const [old, now] = await knownKeys(directory);
  assert.ok(old !== undefined && now !== undefined);
  assert.deepEqual([old.current, now.current], [false, true]);
  assert.equal(old.jwk.kid, before);
  assert.ok(hasIntroduced(old.jwk, now.jwk));
  assert.ok(!hasIntroduced(old.jwk, { ...now.jwk, since: 5 }));
  assert.ok(isSignedBy(now.jwk, "text", running.sign("text")));
});

test("a key's name is its thumbprint by RFC 7638, whatever it calls itself", () => {
  // RFC 8037, appendix A.3.
  const x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
  const jwk = parseJwk({ kty: "OKP", crv: "Ed25519", x, kid: "liar" });
  assert.equal(jwk.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});

test("a signature that is written otherwise is none", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const signature = signerOf(privateKey).sign("text");
  const last = signature.at(-1) ?? "";
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const spare = alphabet[alphabet.indexOf(last) ^ 1] ?? "";
  const key = publicJwk(publicKey);
  assert.ok(isSignedBy(key, "text", signature));
  for (const other of [signature.slice(0, -1) + spare, `${signature}=`, `${signature}\n`, "", 7, undefined]) {
    assert.ok(!isSignedBy(key, "text", other), String(other));
  }
});

test("a key is read from PEM, JWK and JWKS, and what is none is refused by name", async () => {
  const directory = temporaryDirectory();
  const { publicKey } = generateKeyPairSync("ed25519");
  const jwk = publicJwk(publicKey);
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  for (const text of [pem, JSON.stringify(jwk), JSON.stringify({ keys: [jwk] })]) {
    assert.deepEqual(await readKeyFile(file("key", text)), [jwk]);
  }
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
  for (const text of ["", "{}", rsa.export({ type: "spki", format: "pem" }).toString(), '{"keys":[{}]}']) {
    await assert.rejects(readKeyFile(file("none", text)), (error: Error) => {
      return error instanceof ConfigError && error.message.includes("none");
    });
  }
});

test("a damaged key is refused, naming the file", async () => {
  const directory = join(temporaryDirectory(), "keys");
  await SigningKeys.open(directory);
  const file = join(directory, "signing.pem");
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  writeFileSync(file, digest);
  await assert.rejects(SigningKeys.open(directory), /signing\.pem is not a key in PEM/);
});
