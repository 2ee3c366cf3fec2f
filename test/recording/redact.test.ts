import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fingerprint,
  redactHeaders,
  redactTarget,
  stripSecretParameters,
} from "../../src/recording/redact.ts";

const SECRETS = [
  "Authorization",
  "PROXY-AUTHORIZATION",
  "Cookie",
  "x-goog-api-key",
  "X-Goog-User-Project",
  "x-goog-iam-authority-selector",
];

for (const name of SECRETS) {
  test(`${name} is recorded as a fingerprint alone`, () => {
    assert.deepEqual(redactHeaders([name, "secret", "Accept", "*/*"]), [
      [name, fingerprint("secret")],
      ["Accept", "*/*"],
    ]);
  });
}

test("repeated headers keep their order, case and number", () => {
  assert.deepEqual(redactHeaders(["X-A", "1", "x-a", "2", "X-A", "1"]), [
    ["X-A", "1"],
    ["x-a", "2"],
    ["X-A", "1"],
  ]);
});

for (const name of [
  "access_token",
  "oauth_token",
  "key",
  "ACCESS_TOKEN",
  "access%5ftoken",
  "%6bey",
  "$key",
  "%24key",
]) {
  test(`the query parameter ${name} is neither recorded nor sent on`, () => {
    const target = `/path?a=1&${name}=secret&b=%20+`;
    assert.equal(stripSecretParameters(target), "/path?a=1&b=%20+");
    assert.ok(!redactTarget(target).includes("=secret"));
    assert.match(redactTarget(target), /=sha256:[0-9a-f]{64}&b=%20\+$/);
  });
}

test("a target without credentials stays as it is, byte for byte", () => {
  for (const target of ["/p", "/p?", "/p?a", "/p?a=&&b=%zz", "/p?keys=1&x_key=2"]) {
    const expected = target === "/p?" ? "/p" : target;
    assert.equal(stripSecretParameters(target), expected);
    assert.equal(redactTarget(target), expected);
  }
});
