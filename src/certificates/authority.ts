import { generateKeyPair, type KeyObject, X509Certificate } from "node:crypto";
import { promisify } from "node:util";
import forge from "node-forge";
import { type Asn1, fromBytes, onlyTheseDomains } from "./der.ts";
import { canonicalName } from "./hosts.ts";
import {
  type Clock,
  clockSkewMs,
  dayMs,
  signCertificate,
  subjectOf,
  wholeSeconds,
} from "./sign-certificate.ts";

const generateKeyPairAsync = promisify(generateKeyPair);

/** A certificate authority, ready to sign. */
export interface Authority {
  readonly certificate: forge.pki.Certificate;
  /** The authority's certificate, then those above it, if it was brought with any. */
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly fingerprint256: string;
  /** The subject's DER, to be the issuer of leaves byte for byte. */
  readonly subject: Asn1;
  /** The subject key identifier (RFC 5280 4.2.1.2), to be the authority key identifier of leaves. */
  readonly keyIdentifier: Buffer;
}

export interface CreateAuthorityOptions {
  /** What people see in their list of trusted authorities; 1 to 64 characters (RFC 5280 A.1, ub-common-name). */
  commonName: string;
  /**
   * The authority is good for these domains and all below them, and for nothing else: no other name, no IP
   * address (RFC 5280 4.2.1.10). Absent: for everything.
   */
  permittedDomains?: readonly string[];
  /** How long it is valid. Default: 1825, five years. */
  days?: number;
  clock?: Clock;
}

/**
 * Makes an authority in memory: an RSA-2048 key and a self-signed certificate that may issue server leaves only.
 *
 * @throws {RangeError} when the common name's length or `days` is out of range, or `permittedDomains` is empty;
 *   {TypeError} when one of them is no domain.
 */
export async function createAuthority(options: CreateAuthorityOptions): Promise<Authority> {
  const { commonName, permittedDomains, days = 1825, clock = Date.now } = options;
  if (commonName.length < 1 || commonName.length > 64) {
    throw new RangeError(`an authority's common name has 1 to 64 characters, not ${commonName.length}`);
  }
  if (!(days >= 1 && days <= 36_500)) {
    throw new RangeError(`an authority is valid for 1 to 36500 days, not ${days}`);
  }
  if (permittedDomains?.length === 0) {
    throw new RangeError("permittedDomains is empty: such an authority could issue nothing");
  }
  const domains = permittedDomains?.map(canonicalName);
  const { publicKey, privateKey } = await generateKeyPairAsync("rsa", { modulusLength: 2048 });
  const now = clock();
  const certificate = await signCertificate({
    subject: { organization: "bqtape", commonName },
    publicKey,
    notBefore: wholeSeconds(now - clockSkewMs),
    notAfter: wholeSeconds(now + days * dayMs),
    extensions: [
      { name: "basicConstraints", critical: true, cA: true, pathLenConstraint: 0 },
      { name: "keyUsage", critical: true, keyCertSign: true, cRLSign: true },
      // Verifiers hold what is issued to the issuer's purposes too: this one signs neither code nor mail.
      { name: "extKeyUsage", serverAuth: true },
      ...(domains === undefined
        ? []
        : [{ id: "2.5.29.30", critical: true, value: onlyTheseDomains(domains) }]),
    ],
    signingKey: privateKey,
  });
  return toAuthority([new X509Certificate(certificate)], privateKey);
}

/** An authority of a chain (its own certificate first) and the key; nothing is checked. */
export function toAuthority(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  privateKey: KeyObject,
): Authority {
  const [own] = chain;
  const certificate = forge.pki.certificateFromAsn1(fromBytes(own.raw));
  return {
    certificate,
    certificatePem: chain.map((each) => each.toString()).join(""),
    privateKey,
    notBefore: own.validFromDate,
    notAfter: own.validToDate,
    fingerprint256: own.fingerprint256,
    subject: subjectOf(own.raw),
    keyIdentifier: subjectKeyIdentifier(certificate) ?? Buffer.alloc(0),
  };
}

/** The key identifier that a certificate gives itself, if it does. */
export function subjectKeyIdentifier(certificate: forge.pki.Certificate): Buffer | undefined {
  const extension = extensionOf(certificate, "2.5.29.14");
  if (extension === undefined) return undefined;
  const { value } = fromBytes(Buffer.from(extension.value, "latin1"));
  return typeof value === "string" ? Buffer.from(value, "latin1") : undefined;
}

export function extensionOf(
  certificate: forge.pki.Certificate,
  id: string,
): { critical: boolean; value: string } | undefined {
  return certificate.extensions.find((extension) => extension.id === id);
}
