import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { type Authority, createAuthority } from "../../src/certificates/authority.ts";
import { type AuthorityFiles, openAuthority } from "../../src/certificates/authority-files.ts";
import type { AuthorityErrorCode } from "../../src/certificates/errors.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";
import { execFileAsync, temporaryFolder, withoutOpenssl } from "./support.ts";

const options = { commonName: "unused" };
const day = 86_400_000;
const good = await createAuthority({ commonName: "good" });
const other = await createAuthority({ commonName: "other" });

const pemOf = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();

/** A folder with what a user may have put there; an absent text is an absent file. */
async function brought(test: TestContext, texts: { cert?: string; key?: string }): Promise<AuthorityFiles> {
  const folder = await temporaryFolder(test);
  const files = { cert: join(folder, "ca.pem"), key: join(folder, "ca.key") };
  if (texts.cert !== undefined) await writeFile(files.cert, texts.cert);
  if (texts.key !== undefined) await writeFile(files.key, texts.key, { mode: 0o600 });
  return files;
}

async function assertRefused(
  files: AuthorityFiles,
  code: AuthorityErrorCode,
  message: RegExp,
): Promise<void> {
  await assert.rejects(openAuthority(files, options), { name: "AuthorityError", code, message });
}

suite("what is on disk is refused, in words that name the file and the way out", () => {
  const refusals: [string, { cert?: string; key?: string }, AuthorityErrorCode, RegExp][] = [
    [
      "a certificate without its key",
      { cert: good.certificatePem },
      "half-present",
      /ca\.pem is there, but its key .*ca\.key is not; put the key back, or remove the certificate/,
    ],
    [
      "a key without its certificate",
      { key: pemOf(good.privateKey) },
      "half-present",
      /ca\.key is there, but its certificate .*ca\.pem is not; put the certificate back, or remove the key/,
    ],
    [
      "a certificate file of something else",
      { cert: "hello", key: pemOf(good.privateKey) },
      "not-pem",
      /ca\.pem is no certificate in PEM.*openssl x509 -inform DER/,
    ],
    [
      "a damaged certificate",
      { cert: good.certificatePem.replace("MII", "MIX"), key: pemOf(good.privateKey) },
      "not-pem",
      /ca\.pem is no certificate in PEM/,
    ],
    [
      "a key file of something else",
      { cert: good.certificatePem, key: "hello" },
      "not-pem",
      /ca\.key is no private key in PEM.*openssl pkey -inform DER/,
    ],
    [
      "a key that is the certificate once more",
      { cert: good.certificatePem, key: good.certificatePem },
      "not-pem",
      /ca\.key is no private key in PEM/,
    ],
    ["two empty files", { cert: "", key: "" }, "not-pem", /ca\.pem is no certificate in PEM/],
    [
      "an encrypted key",
      {
        cert: good.certificatePem,
        key: good.privateKey
          .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" })
          .toString(),
      },
      "unsupported-key",
      /ca\.key is encrypted.*openssl pkey -in/,
    ],
    [
      "an elliptic curve key",
      {
        cert: good.certificatePem,
        key: pemOf(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey),
      },
      "unsupported-key",
      /ca\.key is a key of type ec, .* RSA of 2048 bits or more/,
    ],
    [
      "a short RSA key",
      {
        cert: good.certificatePem,
        key: pemOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey),
      },
      "unsupported-key",
      /ca\.key is a key of 1024 bits/,
    ],
    [
      "the key of another certificate",
      { cert: good.certificatePem, key: pemOf(other.privateKey) },
      "mismatched",
      /the key in .*ca\.key is not the one that the certificate in .*ca\.pem was made for/,
    ],
  ];
  for (const [what, texts, code, message] of refusals) {
    test(what, async (t) => {
      const files = await brought(t, texts);
      const before = await readdir(join(files.cert, ".."));
      await assertRefused(files, code, message);
      assert.deepEqual(await readdir(join(files.cert, "..")), before);
    });
  }

  const textsOf = (authority: Authority) => ({
    cert: authority.certificatePem,
    key: pemOf(authority.privateKey),
  });

  test("a certificate that has expired", async (t) => {
    const clock = () => Date.now() - 10 * day;
    const expired = await createAuthority({ commonName: "expired", days: 9, clock });
    const message = new RegExp(`ca\\.pem expired at ${expired.notAfter.toISOString()}; remove both files`);
    await assertRefused(await brought(t, textsOf(expired)), "expired", message);
  });

  test("a certificate that is not valid yet", async (t) => {
    const clock = () => Date.now() + 10 * day;
    const early = await createAuthority({ commonName: "early", clock });
    const message = new RegExp(`ca\\.pem is valid only from ${early.notBefore.toISOString()}; .*clock`);
    await assertRefused(await brought(t, textsOf(early)), "not-yet-valid", message);
  });

  test("a server's certificate", async (t) => {
    const leaf = await issueLeaf(good, { hosts: ["bigquery.googleapis.com"], key: "rsa" });
    await assertRefused(await brought(t, leaf), "not-an-authority", /ca\.pem may not issue certificates/);
  });

  test("a folder where a file should be", async (t) => {
    const files = await brought(t, {});
    await mkdir(files.cert);
    await assertRefused(files, "unreadable", /ca\.pem cannot be read \(EISDIR/);
  });

  test("a folder on a volume that is not mounted", async (t) => {
    const folder = join(await temporaryFolder(t), "certs");
    await symlink("nowhere", folder);
    const files = { cert: join(folder, "ca.pem"), key: join(folder, "ca.key") };
    await assertRefused(files, "unwritable", /ca\.key cannot be written \(E.*let this user write to .*certs/);
  });

  test("a key that is a symbolic link to nothing", async (t) => {
    const files = await brought(t, {});
    await symlink("nowhere", files.key);
    await assertRefused(files, "unreadable", /ca\.key is there, but leads nowhere/);
  });
});

suite("what strict clients would refuse is refused at the start", { skip: withoutOpenssl }, () => {
  const extensions = {
    basicConstraints: "critical, CA:TRUE",
    keyUsage: "critical, keyCertSign",
    subjectKeyIdentifier: "hash",
  };

  async function madeByOpenssl(
    test: TestContext,
    changed: Partial<typeof extensions>,
  ): Promise<AuthorityFiles> {
    const files = await brought(test, {});
    const lines = Object.entries({ ...extensions, ...changed }).filter(([, value]) => value !== "");
    const config = [
      "[req]\ndistinguished_name = subject\nx509_extensions = authority\nprompt = no",
      "[subject]\nCN = brought\n[authority]",
      ...lines.map(([name, value]) => `${name} = ${value}`),
    ].join("\n");
    const path = join(files.cert, "..", "ca.conf");
    await writeFile(path, `${config}\n`);
    const out = ["-keyout", files.key, "-out", files.cert];
    await execFileAsync("openssl", [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-config",
      path,
      ...out,
    ]);
    return files;
  }

  test("but nothing is asked for beyond that", async (t) => {
    const files = await madeByOpenssl(t, {});
    assert.match((await openAuthority(files, options)).certificatePem, /BEGIN CERTIFICATE/);
  });

  for (const [what, changed, message] of [
    [
      "basic constraints that are not critical",
      { basicConstraints: "CA:TRUE" },
      /basicConstraints not marked critical/,
    ],
    ["no key usage", { keyUsage: "" }, /has no keyUsage/],
    [
      "a key usage without signing certificates",
      { keyUsage: "critical, cRLSign" },
      /may not issue certificates/,
    ],
    ["no subject key identifier", { subjectKeyIdentifier: "none" }, /has no subjectKeyIdentifier/],
  ] as const) {
    test(what, async (t) => {
      await assertRefused(await madeByOpenssl(t, changed), "not-an-authority", message);
    });
  }
});
