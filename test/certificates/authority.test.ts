import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { suite, test } from "node:test";
import { createSecureContext } from "node:tls";
import { createAuthority } from "../../src/certificates/authority.ts";
import { caBundle } from "../../src/certificates/ca-bundle.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";
import { handshake, opensslVerify, terminating, withoutOpenssl } from "./support.ts";

const authority = await createAuthority({ commonName: "Zertifizierungsstelle für Agenten ✓" });

suite("an authority made in memory", () => {
  test("may issue, and its certificate is for its key", () => {
    const certificate = new X509Certificate(authority.certificatePem);
    assert.ok(certificate.ca);
    assert.ok(certificate.checkPrivateKey(authority.privateKey));
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.fingerprint256, authority.fingerprint256);
  });

  test("has the name it was given, in any script", () => {
    const { subject } = new X509Certificate(authority.certificatePem);
    assert.equal(subject, "O=bqtape\nCN=Zertifizierungsstelle für Agenten ✓");
  });

  test("is held to be a sound authority by openssl's strict check", { skip: withoutOpenssl }, async (t) => {
    const pems = { authority: authority.certificatePem, leaf: authority.certificatePem };
    assert.equal(await opensslVerify(t, pems, "-purpose", "any"), "leaf: OK");
  });

  test("is valid for five years, from an hour before now", () => {
    const years = (authority.notAfter.getTime() - Date.now()) / (365 * 86_400_000);
    assert.ok(years > 4.99 && years <= 5, `${years}`);
    assert.ok(authority.notBefore.getTime() <= Date.now() - 3_500_000);
  });

  test("cannot be limited to no domain at all", async () => {
    const made = createAuthority({ commonName: "none", permittedDomains: [] });
    await assert.rejects(made, /permittedDomains is empty/);
  });

  test("cannot be limited to what is no domain", async () => {
    const made = createAuthority({ commonName: "wild", permittedDomains: ["*.googleapis.com"] });
    await assert.rejects(made, /is no host name/);
  });

  test("cannot have a name longer than X.509 allows", async () => {
    await assert.rejects(createAuthority({ commonName: "a".repeat(65) }), /1 to 64 characters/);
  });
});

suite("a bundle for agents", () => {
  test("holds the public roots and the authority, each once", () => {
    const certificates = caBundle(authority).match(/-----BEGIN CERTIFICATE-----[^-]+/g) ?? [];
    assert.ok(certificates.length > 100, `${certificates.length} certificates`);
    assert.equal(new Set(certificates).size, certificates.length);
    assert.ok(caBundle(authority).includes(authority.certificatePem.trim()));
  });

  test("is all that a client needs to trust a leaf", async () => {
    const { key, cert } = await issueLeaf(authority, { hosts: ["bigquery.googleapis.com"] });
    const client = { ca: caBundle(authority), servername: "bigquery.googleapis.com" };
    const { protocol } = await handshake(terminating(createSecureContext({ key, cert })), client);
    assert.equal(protocol, "TLSv1.3");
  });
});
