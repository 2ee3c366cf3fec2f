import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { createAuthority } from "../../../src/certificates/authority.ts";
import { AuthorityError } from "../../../src/certificates/errors.ts";
import { opensslVerify, withoutOpenssl } from "../../certificates/support.ts";
import { connect } from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { stock } from "./stock.ts";
import { defect, open, ours, type Side, upstreamOf } from "./support.ts";

const DAY = 86_400_000;
const AGENTS = 6;

async function leafOf(t: TestContext, side: Side, authority = side.authority, trusting = false) {
  const secure = await open(t, side, { authority, trusting });
  const leaf = secure.getPeerX509Certificate();
  assert.ok(leaf !== undefined);
  return leaf;
}

const idle = (t: TestContext) => upstreamOf(t, (_request, response) => response.end("{}"));

defect(7, "a new host costs no new key, and only hosts that are served have a certificate", {
  async bqtape(t) {
    const side = await ours(t, await idle(t));
    const keys = new Set<string>();
    for (const region of ["us-east1", "europe-west2", "asia-south1"]) {
      const leaf = await leafOf(t, side, `${region}-bigquery.googleapis.com:443`);
      keys.add(leaf.publicKey.export({ type: "spki", format: "pem" }).toString());
    }
    assert.equal(keys.size, 1);
    assert.equal((await connect(side.port, "one.test:443")).status, 403);
  },
  async stock(t) {
    const side = await stock(t, [await idle(t)]);
    const keys = new Set<string>();
    for (const host of ["one.test", "two.test", "three.test"]) {
      const leaf = await leafOf(t, side, `${host}:443`);
      keys.add(leaf.publicKey.export({ type: "spki", format: "pem" }).toString());
    }
    assert.equal(keys.size, 3);
    const { keysInPlace } = await side.tell("inspect");
    assert.equal(keysInPlace, 3, "each while all else stood still");
  },
});

/** The certificates that agents see who come first to a host, all at the same moment. */
async function allAtOnce(t: TestContext, side: Side, authority: string, hold: (held: boolean) => void) {
  const sockets = await Promise.all(
    Array.from({ length: AGENTS }, async () => (await connect(side.port, authority)).socket),
  );
  hold(true);
  const servername = authority.replace(/:\d+$/, "");
  const agents = sockets.map((socket) => {
    const secure = tlsConnect({ socket, servername, ca: side.ca });
    secure.on("error", () => undefined);
    t.after(() => secure.destroy());
    return { secured: once(secure, "secureConnect"), secure };
  });
  // A handshake's first bytes are written as soon as the event loop comes round.
  for (let round = 0; round < 5; round += 1) await new Promise((resolve) => setImmediate(resolve));
  hold(false);
  await Promise.allSettled(agents.map(({ secured }) => secured));
  const leaves = agents.map(({ secure }) => secure.getPeerX509Certificate());
  return {
    secured: leaves.filter((leaf) => leaf !== undefined).length,
    leaves: new Set(leaves.map((leaf) => leaf?.fingerprint256)),
  };
}

defect(8, "agents that come first to a host at the same time share one certificate and one server", {
  async bqtape(t) {
    const side = await ours(t, await idle(t));
    const host = "us-east1-bigquery.googleapis.com:443";
    const { secured, leaves } = await allAtOnce(t, side, host, () => undefined);
    assert.deepEqual([secured, leaves.size], [AGENTS, 1]);
  },
  async stock(t) {
    const side = await stock(t, [await idle(t)]);
    await allAtOnce(t, side, "new.test:443", side.hold);
    const { ports } = await side.tell("inspect");
    assert.ok(ports.filter((port) => port !== side.port).length > 1, "servers of one host");
  },
});

defect(11, "strict verifiers (OpenSSL's X509_STRICT, Python 3.13) accept the certificates", {
  skip: withoutOpenssl,
  async bqtape(t) {
    const side = await ours(t, await idle(t));
    const leaf = await leafOf(t, side);
    assert.equal(await opensslVerify(t, { authority: side.ca, leaf: leaf.toString() }), "leaf: OK");
  },
  async stock(t) {
    const side = await stock(t, [await idle(t)]);
    const leaf = await leafOf(t, side);
    const verified = opensslVerify(t, { authority: side.ca, leaf: leaf.toString() });
    await assert.rejects(
      verified,
      /Missing Authority Key Identifier|Basic Constraints of CA cert not marked/i,
    );
  },
});

/** An authority of yesterday. */
async function expired() {
  return await createAuthority({ commonName: "expired", days: 1, clock: () => Date.now() - 3 * DAY });
}

defect(
  12,
  "the authority's key is private, serial numbers cannot be guessed, and an expired authority is refused",
  {
    async bqtape(t) {
      t.mock.method(Math, "random", () => 0.25);
      const upstream = await idle(t);
      const side = await ours(t, upstream);
      const { key } = filesIn(side.directory);
      assert.equal(statSync(key).mode & 0o777, 0o600);
      const leaf = await leafOf(t, side);
      assert.doesNotMatch(leaf.serialNumber, /^(?:40000000)+$/);
      const other = await leafOf(t, await ours(t, upstream));
      assert.notEqual(leaf.serialNumber, other.serialNumber);

      const files = filesIn(temporaryDirectory());
      const old = await expired();
      mkdirSync(files.folder);
      writeFileSync(files.cert, old.certificatePem);
      writeFileSync(files.key, old.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      await assert.rejects(
        ours(t, upstream, { ca: { cert: files.cert, key: files.key } }),
        (error) => error instanceof AuthorityError && error.code === "expired",
      );
    },
    async stock(t) {
      const upstream = await idle(t);
      const side = await stock(t, [upstream], { random: 0.25 });
      assert.equal(statSync(join(side.directory, "keys", "ca.private.key")).mode & 0o044, 0o044);
      assert.equal((await leafOf(t, side)).serialNumber, "40000000".repeat(4));

      const directory = temporaryDirectory();
      const old = await expired();
      for (const folder of ["certs", "keys"]) mkdirSync(join(directory, folder));
      writeFileSync(join(directory, "certs", "ca.pem"), old.certificatePem);
      const key = old.privateKey.export({ type: "pkcs1", format: "pem" });
      writeFileSync(join(directory, "keys", "ca.private.key"), key);
      const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" });
      writeFileSync(join(directory, "keys", "ca.public.key"), publicKey);
      const aged = await stock(t, [upstream], { directory });
      assert.equal(aged.ca, old.certificatePem);
      const leaf = await leafOf(t, aged, aged.authority, true);
      assert.ok(leaf.validToDate.getTime() > Date.now(), "it signs on");
    },
  },
);

function filesIn(directory: string): { folder: string; cert: string; key: string } {
  const folder = join(directory, "certs");
  return { folder, cert: join(folder, "ca.pem"), key: join(folder, "ca.key") };
}
