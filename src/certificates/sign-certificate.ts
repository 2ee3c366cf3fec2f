import { type KeyObject, randomBytes, sign } from "node:crypto";
import { promisify } from "node:util";
import forge from "node-forge";
import {
  type Asn1,
  bitString,
  distinguishedName,
  elementAt,
  elementsOf,
  fromBytes,
  keyIdentifier,
  octetString,
  toBytes,
} from "./der.ts";

const signAsync = promisify(sign);

/** How far back a certificate begins, for clients whose clock is behind ours: one hour. */
export const clockSkewMs = 3_600_000;

export const dayMs = 86_400_000;

/** Milliseconds since 1970, as `Date.now` gives them. */
export type Clock = () => number;

/** The positions of TBSCertificate's fields, RFC 5280 4.1; version and serial number come before them. */
const tbsField = { issuer: 3, subject: 5, subjectPublicKeyInfo: 6 } as const;

/** What forge takes for a certificate's key: RSA is the only kind it knows, and this one is never encoded. */
const one = new forge.jsbn.BigInteger("1");
const standIn = forge.pki.setRsaPublicKey(one, one);

export interface CertificateRequest {
  subject: { organization: string; commonName?: string | undefined };
  /** The issuer's own subject, byte for byte; absent: self-issued. */
  issuer?: Asn1;
  publicKey: KeyObject;
  notBefore: Date;
  notAfter: Date;
  /** Extensions as forge takes them; the subject key identifier is added. */
  extensions: object[];
  /** The RSA key that signs. */
  signingKey: KeyObject;
}

/**
 * A signed certificate, DER.
 *
 * Forge builds it around a stand-in, as it knows RSA keys only; then the true key is put in its place, and
 * `node:crypto` signs, off the event loop's thread.
 */
export async function signCertificate(request: CertificateRequest): Promise<Buffer> {
  const certificate = forge.pki.createCertificate();
  certificate.serialNumber = randomSerial();
  certificate.publicKey = standIn;
  certificate.validity.notBefore = request.notBefore;
  certificate.validity.notAfter = request.notAfter;
  certificate.setExtensions([
    ...request.extensions,
    { name: "subjectKeyIdentifier", value: octetString(keyIdentifier(request.publicKey)) },
  ]);
  const algorithm = forge.pki.oids.sha256WithRSAEncryption;
  if (algorithm === undefined) throw new Error("node-forge has lost sha256WithRSAEncryption");
  certificate.siginfo.algorithmOid = algorithm;
  certificate.signatureOid = algorithm;
  certificate.signature = "";

  const signed = forge.pki.certificateToAsn1(certificate);
  const unsigned = elementAt(signed, 0);
  const subject = distinguishedName(request.subject);
  const fields = elementsOf(unsigned);
  fields[tbsField.issuer] = request.issuer ?? subject;
  fields[tbsField.subject] = subject;
  fields[tbsField.subjectPublicKeyInfo] = fromBytes(
    request.publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = await signAsync("sha256", toBytes(unsigned), request.signingKey);
  elementsOf(signed)[2] = bitString(signature);
  return toBytes(signed);
}

/** A certificate's subject as it stands there, for the issuer field of what it issues (RFC 5280 4.1.2.4). */
export function subjectOf(certificate: Uint8Array): Asn1 {
  return elementAt(elementAt(fromBytes(certificate), 0), tbsField.subject);
}

/**
 * A random serial number, hexadecimal: 158 random bits, positive, and always of 20 bytes, the most that
 * RFC 5280 4.1.2.2 allows. The second highest bit is set so that DER never has a leading zero byte to drop.
 */
function randomSerial(): string {
  const bytes = randomBytes(20);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

/** The same moment in whole seconds, all that a certificate can say. */
export function wholeSeconds(ms: number): Date {
  return new Date(Math.floor(ms / 1000) * 1000);
}
