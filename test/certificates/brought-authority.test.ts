import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyPairKeyObjectResult as KeyPair, X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openAuthority } from "../../src/certificates/authority-files.ts";
import { keyIdentifier } from "../../src/certificates/der.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";
import { signCertificate, subjectOf } from "../../src/certificates/sign-certificate.ts";
import { execFileAsync, opensslVerify, temporaryFolder, withoutOpenssl } from "./support.ts";

const host = "bigquery.googleapis.com";
const options = { commonName: "unused" };

suite("an authority that a user brings", { skip: withoutOpenssl }, () => {
  test("may be made by the commands in certs/README.md, and is limited as one of ours", async (t) => {
    const folder = await temporaryFolder(t);
    const readme = await readFile(join(import.meta.dirname, "../../certs/README.md"), "utf8");
    const [, commands = ""] = /^```sh\n([\s\S]+?)^```$/m.exec(readme) ?? [];
    await execFileAsync("sh", ["-e", "-c", commands], { cwd: folder });
    const files = { cert: join(folder, "ca.pem"), key: join(folder, "ca.key") };
    const authority = await openAuthority(files, options);
    assert.equal(authority.created, false);
    const leafFor = async (site: string) => (await issueLeaf(authority, { hosts: [site] })).cert;
    const verify = async (site: string) =>
      opensslVerify(t, { authority: authority.certificatePem, leaf: await leafFor(site) });
    assert.equal(await verify(host), "leaf: OK");
    await assert.rejects(verify("evil.example"), /permitted subtree violation/);
    await assert.rejects(verify("127.0.0.1"), /excluded subtree violation/);
  });

  test("may have been issued by another: its leaves bring the way up to the root", async (t) => {
    const folder = await temporaryFolder(t);
    const root = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const issuing = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const certificate = await authorityCertificate("root", root);
    const rootPem = new X509Certificate(certificate).toString();
    const issued = await authorityCertificate("issuing", issuing, { ...root, certificate });
    const issuingPem = new X509Certificate(issued).toString();
    const files = { cert: join(folder, "ca.pem"), key: join(folder, "ca.key") };
    await writeFile(files.cert, issuingPem + rootPem);
    await writeFile(files.key, issuing.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });

    const { cert } = await issueLeaf(await openAuthority(files, options), { hosts: [host] });
    assert.ok(cert.endsWith(issuingPem + rootPem));
    const untrusted = join(folder, "chain.pem");
    await writeFile(untrusted, cert);
    const pems = { authority: rootPem, leaf: cert };
    const verified = opensslVerify(t, pems, "-untrusted", untrusted, "-verify_hostname", host);
    assert.equal(await verified, "leaf: OK");
  });
});

/** An authority's certificate; without `issuer` it is self-signed. */
function authorityCertificate(commonName: string, keys: KeyPair, issuer?: KeyPair & { certificate: Buffer }) {
  return signCertificate({
    subject: { organization: "Example", commonName },
    ...(issuer === undefined ? {} : { issuer: subjectOf(issuer.certificate) }),
    publicKey: keys.publicKey,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [
      { name: "basicConstraints", critical: true, cA: true },
      { name: "keyUsage", critical: true, keyCertSign: true },
      {
        name: "authorityKeyIdentifier",
        keyIdentifier: keyIdentifier((issuer ?? keys).publicKey).toString("latin1"),
      },
    ],
    signingKey: (issuer ?? keys).privateKey,
  });
}
