import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { suite, test } from "node:test";
import { createSecureContext } from "node:tls";
import { createAuthority } from "../../src/certificates/authority.ts";
import { AuthorityError } from "../../src/certificates/errors.ts";
import { certifyLeaf, generateLeafKey, issueLeaf } from "../../src/certificates/leaf.ts";
import { handshake, opensslVerify, terminating, withoutOpenssl } from "./support.ts";

const host = "bigquery.googleapis.com";
const day = 86_400_000;
const constrained = await createAuthority({
  commonName: "constrained",
  permittedDomains: ["googleapis.com"],
});
const open = await createAuthority({ commonName: "open" });

suite("strict verifiers accept a leaf for its hosts and for no other", { skip: withoutOpenssl }, () => {
  for (const key of ["ec", "rsa"] as const) {
    test(`openssl verify -x509_strict accepts an ${key} leaf for its host`, async (t) => {
      const leaf = await issueLeaf(constrained, { hosts: [host], key });
      const pems = { authority: constrained.certificatePem, leaf: leaf.cert };
      assert.equal(await opensslVerify(t, pems, "-verify_hostname", host), "leaf: OK");
    });
  }

  test("an IPv4 and an IPv6 address are verified as addresses", async (t) => {
    const leaf = await issueLeaf(open, { hosts: ["127.0.0.1", "[2001:DB8:0:0::1]"] });
    const pems = { authority: open.certificatePem, leaf: leaf.cert };
    assert.equal(await opensslVerify(t, pems, "-verify_ip", "127.0.0.1"), "leaf: OK");
    assert.equal(await opensslVerify(t, pems, "-verify_ip", "2001:db8::1"), "leaf: OK");
  });

  test("a wildcard covers one label", async (t) => {
    const leaf = await issueLeaf(constrained, { hosts: ["*.p.googleapis.com"] });
    const pems = { authority: constrained.certificatePem, leaf: leaf.cert };
    assert.equal(await opensslVerify(t, pems, "-verify_hostname", "bigquery-x.p.googleapis.com"), "leaf: OK");
    await assert.rejects(
      opensslVerify(t, pems, "-verify_hostname", "a.b.p.googleapis.com"),
      /hostname mismatch/i,
    );
  });

  test("a host too long for a common name is verified by its alternative name", async (t) => {
    const long = `${"a".repeat(60)}.googleapis.com`;
    const leaf = await issueLeaf(constrained, { hosts: [long] });
    const pems = { authority: constrained.certificatePem, leaf: leaf.cert };
    assert.equal(await opensslVerify(t, pems, "-verify_hostname", long), "leaf: OK");
  });

  test("whatever P-256 key it is, it stands in the certificate as it was made", async () => {
    // A point may by chance look like nested ASN.1; about one key in 256 does.
    for (let i = 0; i < 600; i++) {
      const key = await generateLeafKey("ec");
      const leaf = await certifyLeaf(constrained, key, { hosts: [host] });
      assert.ok(new X509Certificate(leaf.cert).checkPrivateKey(key.privateKey));
    }
  });
});

suite("trust in a constrained authority cannot be turned against another site", () => {
  for (const site of ["evil.example", "notgoogleapis.com", "127.0.0.1", "::1"]) {
    test(`openssl refuses its leaf for ${site}`, { skip: withoutOpenssl }, async (t) => {
      const leaf = await issueLeaf(constrained, { hosts: [site] });
      const pems = { authority: constrained.certificatePem, leaf: leaf.cert };
      await assert.rejects(opensslVerify(t, pems), /(permitted|excluded) subtree violation/);
    });

    test(`a Node client refuses its leaf for ${site}`, async () => {
      const { key, cert } = await issueLeaf(constrained, { hosts: [site] });
      const client = { ca: constrained.certificatePem, checkServerIdentity: () => undefined };
      await assert.rejects(
        handshake(terminating(createSecureContext({ key, cert })), client),
        /(permitted|excluded) subtree violation/,
      );
    });
  }
});

suite("a leaf is valid for no longer than it should be", () => {
  test("never beyond its authority", async () => {
    const short = await createAuthority({ commonName: "short", days: 7 });
    const leaf = await issueLeaf(short, { hosts: [host] });
    assert.deepEqual(leaf.notAfter, short.notAfter);
    assert.deepEqual(new X509Certificate(leaf.cert).validToDate, short.notAfter);
  });

  test("397 days at most, from the hour before now that is left for clocks behind ours", async () => {
    const { cert, notAfter } = await issueLeaf(open, { hosts: [host] });
    const { validFromDate } = new X509Certificate(cert);
    assert.equal(notAfter.getTime() - validFromDate.getTime(), 397 * day);
    assert.ok(validFromDate.getTime() <= Date.now() - 3_500_000);
  });

  test("more days are refused", async () => {
    await assert.rejects(issueLeaf(open, { hosts: [host], days: 398 }), /1 to 397 days, not 398/);
  });

  test("an expired authority issues nothing", async () => {
    const clock = () => open.notAfter.getTime();
    const isExpired = (error: unknown) => error instanceof AuthorityError && error.code === "expired";
    await assert.rejects(issueLeaf(open, { hosts: [host], clock }), isExpired);
  });
});

suite("a leaf's serial number", () => {
  test("is positive, of 20 bytes, and another each time", async () => {
    const key = await generateLeafKey("ec");
    const serials = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const { cert } = await certifyLeaf(open, key, { hosts: [host] });
      const { serialNumber } = new X509Certificate(cert);
      assert.match(serialNumber, /^[4-7][0-9A-F]{39}$/);
      serials.add(serialNumber);
    }
    assert.equal(serials.size, 50);
  });
});

suite("only hosts get a leaf", () => {
  const noHosts = [
    ["a path", "../../pwned"],
    ["a port", "googleapis.com:443"],
    ["a NUL", "googleapis.com\0.evil.example"],
    ["a trailing dot", "googleapis.com."],
    ["an empty label", "a..googleapis.com"],
    ["an empty string", ""],
    ["a bare wildcard", "*"],
    ["a wildcard that is not leftmost", "a.*.googleapis.com"],
    ["a wildcard that is part of a label", "a*.googleapis.com"],
    ["a wildcard of addresses", "*.0.0.1"],
    ["a label of 64 characters", `${"a".repeat(64)}.googleapis.com`],
    ["more than 253 characters", `${"a.".repeat(120)}googleapis.com`],
    ["an address with a zone", "fe80::1%eth0"],
    ["an IPv4 address in brackets", "[127.0.0.1]"],
    ["a number that some take for an address", "0x7f.1"],
  ] as const;
  for (const [what, value] of noHosts) {
    test(`${what} is refused`, async () => {
      await assert.rejects(issueLeaf(open, { hosts: [value] }), /is no host name/);
    });
  }

  test("a list without a host is refused", async () => {
    await assert.rejects(issueLeaf(open, { hosts: [] }), /one host at least/);
  });

  test("a host given twice, in any case, is named once", async () => {
    const { cert } = await issueLeaf(open, { hosts: ["BigQuery.googleapis.com", host] });
    assert.equal(new X509Certificate(cert).subjectAltName, `DNS:${host}`);
  });
});
