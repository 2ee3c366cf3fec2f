import assert from "node:assert/strict";
import { test } from "node:test";
import { isSameHost, parseAuthority } from "../../src/gateway/authority.ts";
import { requestHeaders, responseHeaders } from "../../src/gateway/headers.ts";
import { parseProxyAuthorization } from "../../src/identity/proxy-authorization.ts";

test("hop-by-hop headers, and those that Connection names, go no further in either direction", () => {
  const raw = [
    "Connection",
    "close, X-Mine",
    "X-Mine",
    "1",
    "Keep-Alive",
    "timeout=5",
    "TE",
    "trailers",
    "Accept",
    "*/*",
  ];
  assert.deepEqual(requestHeaders(raw, "Bearer t"), ["Accept", "*/*", "authorization", "Bearer t"]);
  assert.deepEqual(responseHeaders(raw), ["Accept", "*/*"]);
});

test("the agent's credentials and identity are replaced by the gateway's", () => {
  const raw = [
    "authorization",
    "Bearer a",
    "AUTHORIZATION",
    "Bearer b",
    "x-goog-user-project",
    "p",
    "X-Goog-Api-Key",
    "k",
  ];
  assert.deepEqual(requestHeaders(raw, "Bearer t"), ["authorization", "Bearer t"]);
});

test("repeated response headers stay repeated", () => {
  const raw = ["Vary", "Origin", "Vary", "Referer"];
  assert.deepEqual(responseHeaders(raw), raw);
});

test("authorities are the same whatever their case, trailing dot or stated default port", () => {
  assert.deepEqual(parseAuthority("BigQuery.GoogleAPIs.com.:443"), {
    host: "bigquery.googleapis.com",
    port: 443,
  });
  assert.deepEqual(parseAuthority("[::1]:443"), { host: "::1", port: 443 });
  const authority = { host: "bigquery.googleapis.com", port: 443 };
  for (const host of ["bigquery.googleapis.com", "BIGQUERY.googleapis.com:443", "bigquery.googleapis.com."]) {
    assert.ok(isSameHost(host, authority), host);
  }
  for (const host of [
    undefined,
    "",
    "bigquery.googleapis.com:8443",
    "evil.example",
    "bigquery.googleapis.com@evil",
  ]) {
    assert.ok(!isSameHost(host, authority), host);
  }
});

test("proxy credentials are read as clients write them", () => {
  const encoded = Buffer.from("user:pass:word").toString("base64");
  const basic = { scheme: "basic", user: "user", secret: "pass:word" };
  assert.deepEqual(parseProxyAuthorization(`Basic ${encoded}`), basic);
  assert.deepEqual(parseProxyAuthorization(`basic ${encoded}`), basic);
  assert.deepEqual(parseProxyAuthorization("Bearer a.b-c"), { scheme: "bearer", user: "", secret: "a.b-c" });
});

test("what is no proxy credential is none", () => {
  const nonsense = [
    undefined,
    "",
    "Basic",
    "Basic !!!",
    `Basic ${Buffer.from("nocolon").toString("base64")}`,
    "Digest x",
    `Bearer ${"x".repeat(20_000)}`,
  ];
  for (const header of nonsense) assert.equal(parseProxyAuthorization(header), undefined);
});
