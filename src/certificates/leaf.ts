import { generateKeyPair, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { promisify } from "node:util";
import type { Authority } from "./authority.ts";
import { AuthorityError } from "./errors.ts";
import { canonicalHost } from "./hosts.ts";
import { type Clock, clockSkewMs, dayMs, signCertificate, wholeSeconds } from "./sign-certificate.ts";

const generateKeyPairAsync = promisify(generateKeyPair);

/** `ec` is P-256, which handshakes fastest; `rsa` is RSA-2048, for clients that offer RSA cipher suites only. */
export type LeafKind = "ec" | "rsa";

export interface LeafKey {
  readonly kind: LeafKind;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface Leaf {
  /** Private key, PEM (PKCS #8). */
  readonly key: string;
  /** The leaf's certificate, then the authority's, PEM. */
  readonly cert: string;
  readonly notAfter: Date;
}

export interface LeafOptions {
  /** DNS names (`*` as the whole leftmost label at most) and IP addresses; one at least. */
  hosts: readonly string[];
  /** Days of validity, 1 to 397; never beyond the authority's. Default: 397. */
  days?: number;
  clock?: Clock;
}

/** The longest that browsers take a server certificate for (CA/Browser Forum baseline requirements 6.3.2, 2020). */
const maxDays = 397;

/** Makes a leaf key. An RSA key takes some 200 ms of a thread of libuv's pool, none of the event loop. */
export async function generateLeafKey(kind: LeafKind): Promise<LeafKey> {
  const pair =
    kind === "ec"
      ? await generateKeyPairAsync("ec", { namedCurve: "prime256v1" })
      : await generateKeyPairAsync("rsa", { modulusLength: 2048 });
  return { kind, ...pair };
}

/**
 * A server's key and certificate for `hosts`.
 *
 * @param options.key Default: `ec`.
 * @throws {TypeError} when a host is none; {RangeError} when `days` is out of range or there is no host;
 *   {AuthorityError} `expired` when the authority has no time left to give.
 */
export async function issueLeaf(
  authority: Authority,
  options: LeafOptions & { key?: LeafKind },
): Promise<Leaf> {
  const { key = "ec", ...rest } = options;
  return certifyLeaf(authority, await generateLeafKey(key), rest);
}

/** The same as {@link issueLeaf} for a key that is there already. */
export async function certifyLeaf(
  authority: Authority,
  leafKey: LeafKey,
  options: LeafOptions,
): Promise<Leaf> {
  const { hosts, days = maxDays, clock = Date.now } = options;
  if (hosts.length === 0) throw new RangeError("a leaf certificate needs one host at least");
  if (!(days >= 1 && days <= maxDays)) {
    throw new RangeError(`a leaf is valid for 1 to ${maxDays} days, not ${days}`);
  }
  const names = [...new Set(hosts.map(canonicalHost))];
  const now = clock();
  if (authority.notAfter.getTime() <= now) {
    throw new AuthorityError(
      "expired",
      `the authority expired at ${authority.notAfter.toISOString()} and can issue nothing; make a new one`,
    );
  }
  const notBefore = wholeSeconds(Math.max(now - clockSkewMs, authority.notBefore.getTime()));
  const notAfter = wholeSeconds(Math.min(notBefore.getTime() + days * dayMs, authority.notAfter.getTime()));
  const certificate = await signCertificate({
    subject: { organization: "bqtape", commonName: commonName(names[0]) },
    issuer: authority.subject,
    publicKey: leafKey.publicKey,
    notBefore,
    notAfter,
    extensions: [
      { name: "basicConstraints", critical: true, cA: false },
      // RSA suites without Diffie-Hellman encrypt to the key, all others sign with it (RFC 5280 4.2.1.3).
      { name: "keyUsage", critical: true, digitalSignature: true, keyEncipherment: leafKey.kind === "rsa" },
      { name: "extKeyUsage", serverAuth: true },
      { name: "authorityKeyIdentifier", keyIdentifier: authority.keyIdentifier.toString("latin1") },
      { name: "subjectAltName", altNames: names.map(alternativeName) },
    ],
    signingKey: authority.privateKey,
  });
  return {
    key: leafKey.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: new X509Certificate(certificate).toString() + authority.certificatePem,
    notAfter,
  };
}

/** The first host, where it fits: a common name has 64 characters at most (RFC 5280 A.1, ub-common-name). */
function commonName(host: string | undefined): string | undefined {
  return host !== undefined && host.length <= 64 ? host : undefined;
}

/** A GeneralName as forge takes it: type 2 is dNSName, 7 iPAddress (RFC 5280 4.2.1.6). */
function alternativeName(host: string): { type: number; value: string } | { type: number; ip: string } {
  return isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host };
}
