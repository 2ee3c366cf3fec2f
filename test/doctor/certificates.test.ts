import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type CreateAuthorityOptions, createAuthority } from "../../src/certificates/authority.ts";
import { limitProcess } from "../support/time-limit.ts";
import { assertSound, assertTold, beforeUpstream, examined } from "./support.ts";

limitProcess(90_000);

const limit = { timeout: 30_000 };
const DAY = 86_400_000;

/** A gateway's files with an authority of these kinds. */
async function withAuthority(t: TestContext, options: Partial<CreateAuthorityOptions> = {}) {
  const { config, directory, upstream } = await beforeUpstream(t);
  const authority = await createAuthority({ commonName: "test", ...options });
  const [cert, key] = [join(directory, "certs", "ca.pem"), join(directory, "certs", "ca.key")];
  mkdirSync(join(directory, "certs"));
  writeFileSync(cert, authority.certificatePem);
  const pem = authority.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  writeFileSync(key, pem + authority.certificatePem, { mode: 0o600 });
  return { file: config(), cert, key, upstream };
}

test("an authority as the gateway makes it is sound, and agents take its leaves", limit, async (t) => {
  const { file } = await withAuthority(t, { permittedDomains: ["googleapis.com"] });
  const reports = await examined({ file }, "certificates");
  assertSound(reports);
  assertTold(reports, "certificates.leaf", "ok", /hold in a handshake/);
  assertTold(reports, "certificates.expiry", "ok", /valid until \d{4}-/);
});

test("before the first start there is none, and none is made", limit, async (t) => {
  const { config, directory } = await beforeUpstream(t);
  const reports = await examined({ file: config() }, "certificates");
  assertTold(reports, "certificates.authority", "ok", /makes it at its first start/);
  assert.ok(!existsSync(join(directory, "certs")));
});

test("a place where none can be made is told", limit, async (t) => {
  const { config, directory } = await beforeUpstream(t);
  writeFileSync(join(directory, "certs"), "in the way");
  const reports = await examined({ file: config() }, "certificates");
  assertTold(
    reports,
    "certificates.authority",
    "fail",
    /cannot be made in .*certs$/,
    /other paths in ca\.cert/,
  );
});

test("a key that others may read is told with its mend", limit, async (t) => {
  const { file, key } = await withAuthority(t);
  chmodSync(key, 0o644);
  const reports = await examined({ file }, "certificates");
  assertTold(reports, "certificates.authority", "fail", /has mode 644/, /chmod 600 .*ca\.key$/);
});

test("a key of another authority is told", limit, async (t) => {
  const { file, cert } = await withAuthority(t);
  writeFileSync(cert, (await createAuthority({ commonName: "another" })).certificatePem);
  const reports = await examined({ file }, "certificates");
  assertTold(reports, "certificates.authority", "fail", /is not the one that the certificate/, /put back/);
});

test("a certificate that is missing beside its key is told, and not put back", limit, async (t) => {
  const { file, cert } = await withAuthority(t);
  rmSync(cert);
  const reports = await examined({ file }, "certificates");
  assertTold(reports, "certificates.authority", "warn", /ca\.pem is not there/, /bqtape ca init/);
  assert.ok(!existsSync(cert));
});

test("an authority that has ended fails, and one that ends soon is a warning", limit, async (t) => {
  const ended = await withAuthority(t, { days: 1, clock: () => Date.now() - 3 * DAY });
  const over = await examined({ file: ended.file }, "certificates");
  assertTold(over, "certificates.expiry", "fail", /expired at/, /remove both files/);
  const ending = await withAuthority(t, { days: 10 });
  const soon = await examined({ file: ending.file }, "certificates");
  assertTold(soon, "certificates.expiry", "warn", /ends on/, /bqtape env again/);
});

test("an authority that may not issue for Google's hosts is found by a handshake", limit, async (t) => {
  const { file } = await withAuthority(t, { permittedDomains: ["example.com"] });
  const reports = await examined({ file }, "certificates");
  assertTold(reports, "certificates.leaf", "fail", /would not take an EC certificate/, /googleapis\.com/);
});

test("upstream.caFile: no certificate in it, or one that has ended", limit, async (t) => {
  const { file, upstream } = await withAuthority(t);
  writeFileSync(upstream.caFile, "nothing");
  const empty = await examined({ file }, "certificates");
  assertTold(empty, "certificates.upstream", "fail", /holds no certificate/, /PEM/);
  const ended = await createAuthority({ commonName: "old", days: 1, clock: () => Date.now() - 3 * DAY });
  writeFileSync(upstream.caFile, ended.certificatePem);
  const old = await examined({ file }, "certificates");
  assertTold(old, "certificates.upstream", "fail", /CN=old.* ended on/, /put the one that is valid/);
});
