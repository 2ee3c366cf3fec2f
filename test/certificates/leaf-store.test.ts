import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { createServer } from "node:tls";
import { createAuthority } from "../../src/certificates/authority.ts";
import { LeafStore } from "../../src/certificates/leaf-store.ts";
import { handshake, terminating } from "./support.ts";

const hosts = ["bigquery.googleapis.com", "bigquerystorage.googleapis.com"] as const;
const regional = "bigquery.us-central1.rep.googleapis.com";
const day = 86_400_000;
const authority = await createAuthority({ commonName: "store", permittedDomains: ["googleapis.com"] });
const ca = authority.certificatePem;

suite("a server on a leaf store", () => {
  const made = LeafStore.create(authority, { hosts });
  const serverFor = async (host: string) => terminating(await (await made).contextFor(host));

  for (const [which, host] of [
    ["a shared", hosts[0]],
    ["another", regional],
  ] as const) {
    test(`shows a client of ECDSA suites a P-256 leaf of ${which} host`, async () => {
      const ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
      const client = { ca, servername: host, maxVersion: "TLSv1.2", ciphers } as const;
      const { certificate, cipher } = await handshake(await serverFor(host), client);
      assert.equal(cipher.name, ciphers);
      assert.equal(certificate.asn1Curve, "prime256v1");
    });

    test(`shows a client of RSA suites an RSA leaf of ${which} host`, async () => {
      const ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
      const client = { ca, servername: host, maxVersion: "TLSv1.2", ciphers } as const;
      const { certificate, cipher } = await handshake(await serverFor(host), client);
      assert.equal(cipher.name, ciphers);
      assert.equal(certificate.bits, 2048);
    });
  }

  test("shows a TLS 1.3 client its P-256 leaf", async () => {
    const client = { ca, servername: hosts[0] };
    const { certificate, protocol } = await handshake(await serverFor(hosts[0]), client);
    assert.equal(protocol, "TLSv1.3");
    assert.equal(certificate.asn1Curve, "prime256v1");
  });

  test("shows a TLS 1.3 client without ECDSA its RSA leaf", async () => {
    const client = { ca, servername: hosts[0], sigalgs: "rsa_pss_rsae_sha256:RSA+SHA256" };
    const { certificate, protocol } = await handshake(await serverFor(hosts[0]), client);
    assert.equal(protocol, "TLSv1.3");
    assert.equal(certificate.bits, 2048);
  });

  test("speaks nothing older than TLS 1.2", async () => {
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" } as const;
    const server = createServer({ ...(await (await made).optionsFor(hosts[0])) });
    const attempt = handshake(server, { ca, servername: hosts[0], ...old });
    await assert.rejects(attempt, /protocol version/);
  });

  test("settles on HTTP/2 or HTTP/1.1 with the client", async () => {
    const client = { ca, servername: hosts[0], ALPNProtocols: ["http/1.1"] };
    assert.equal((await handshake(await serverFor(hosts[0]), client)).alpn, "http/1.1");
  });

  test("has one certificate for all shared hosts", async () => {
    const { certificate } = await handshake(await serverFor(hosts[0]), { ca, servername: hosts[1] });
    assert.equal(certificate.subjectaltname, `DNS:${hosts[0]}, DNS:${hosts[1]}`);
  });

  test("has another host's own certificate", async () => {
    const { certificate } = await handshake(await serverFor(regional), { ca, servername: regional });
    assert.equal(certificate.subjectaltname, `DNS:${regional}`);
  });

  test("shows the certificate of its host to a client that asks for no name, or for another", async () => {
    for (const servername of ["", "evil.example"]) {
      const client = { ca, servername, checkServerIdentity: () => undefined };
      const { certificate } = await handshake(await serverFor(regional), client);
      assert.equal(certificate.subjectaltname, `DNS:${regional}`);
    }
  });

  test("may be a plain tls.Server", async () => {
    const store = await made;
    const server = createServer({ ...(await store.optionsFor(regional)) }, (socket) => socket.end());
    const { certificate } = await handshake(server, { ca, servername: regional });
    assert.equal(certificate.subjectaltname, `DNS:${regional}`);
    assert.equal(await store.optionsFor(regional), await store.optionsFor(regional));
  });
});

suite("TLS sessions are resumed, which saves a signature for each connection of a client", () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const client = { ca, servername: hosts[0], maxVersion };

    test(`by the same store, on ${maxVersion}, across a renewal too`, async () => {
      let now = Date.now();
      const store = await LeafStore.create(authority, { hosts, days: 30, clock: () => now });
      const first = await store.contextFor(hosts[0]);
      const { session } = await handshake(terminating(first), client);
      now += 21 * day;
      const second = await store.contextFor(hosts[0]);
      assert.notEqual(second, first);
      assert.ok((await handshake(terminating(second), { ...client, session })).resumed);
    });

    test(`by another gateway of the same ticket keys, on ${maxVersion}`, async () => {
      const ticketKeys = randomBytes(48);
      const [one, other] = [
        await LeafStore.create(authority, { hosts, ticketKeys }),
        await LeafStore.create(authority, { hosts, ticketKeys }),
      ];
      const { session } = await handshake(terminating(await one.contextFor(hosts[0])), client);
      assert.ok(
        (await handshake(terminating(await other.contextFor(hosts[0])), { ...client, session })).resumed,
      );
    });
  }
});

suite("the memory of a leaf store is bounded", () => {
  test("all shared hosts have the same context, and count for nothing", async () => {
    const store = await LeafStore.create(authority, { hosts });
    assert.equal(await store.contextFor(hosts[0]), await store.contextFor(hosts[1].toUpperCase()));
    assert.equal(store.otherHosts, 0);
  });

  test("a host has one context, however many ask for it at once", async () => {
    const store = await LeafStore.create(authority, { hosts });
    const asked = await Promise.all(Array.from({ length: 20 }, () => store.contextFor(regional)));
    assert.equal(new Set(asked).size, 1);
  });

  test("the least recently used host gives way", async () => {
    const store = await LeafStore.create(authority, { hosts, maxOtherHosts: 2 });
    const first = await store.contextFor("a.googleapis.com");
    const second = await store.contextFor("b.googleapis.com");
    assert.equal(await store.contextFor("a.googleapis.com"), first);
    await store.contextFor("c.googleapis.com");
    assert.equal(store.otherHosts, 2);
    assert.equal(await store.contextFor("a.googleapis.com"), first);
    assert.notEqual(await store.contextFor("b.googleapis.com"), second);
  });

  test("what is no host is refused and not held", async () => {
    const store = await LeafStore.create(authority, { hosts });
    await assert.rejects(store.contextFor("../../pwned"), /is no host name/);
    assert.equal(store.otherHosts, 0);
  });
});

suite("a leaf store renews ahead of expiry", () => {
  for (const [what, host] of [
    ["shared", hosts[0]],
    ["other", regional],
  ] as const) {
    test(`a context of the ${what} hosts stays until a third of its life is left, then gives way`, async () => {
      let now = Date.now();
      const store = await LeafStore.create(authority, { hosts, days: 30, clock: () => now });
      const first = await store.contextFor(host);
      now += 19 * day;
      assert.equal(await store.contextFor(host), first);
      now += 2 * day;
      const second = await store.contextFor(host);
      assert.notEqual(second, first);
      assert.equal(await store.contextFor(host), second);
    });
  }

  test("once the authority has expired, every request says so, and nothing is held", async () => {
    let now = Date.now();
    const short = await createAuthority({ commonName: "short", days: 1, clock: () => now });
    const store = await LeafStore.create(short, { hosts, clock: () => now });
    now += 2 * day;
    await assert.rejects(store.contextFor(hosts[0]), { name: "AuthorityError", code: "expired" });
    await assert.rejects(store.contextFor(hosts[0]), { name: "AuthorityError", code: "expired" });
  });

  test("what could not be made is tried again at the next request", async () => {
    let now = Date.now();
    const short = await createAuthority({ commonName: "short", days: 1, clock: () => now });
    const store = await LeafStore.create(short, { hosts, clock: () => now });
    now += 2 * day;
    await assert.rejects(store.contextFor(regional), { code: "expired" });
    now -= 2 * day;
    assert.ok(await store.contextFor(regional));
  });
});
