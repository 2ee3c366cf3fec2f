import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { type Authority, extensionOf, subjectKeyIdentifier, toAuthority } from "./authority.ts";
import { AuthorityError } from "./errors.ts";
import type { Clock } from "./sign-certificate.ts";

/** A file's path, for messages, and its text. */
export interface NamedText {
  path: string;
  text: string;
}

const howToMakeAnother =
  "remove both files to have a new authority made at the next start, or see certs/README.md";

/**
 * The authority of two PEM texts, once everything about it is as it must be.
 *
 * @throws {AuthorityError} `not-pem`, `unsupported-key`, `mismatched`, `not-an-authority`, `not-yet-valid`, `expired`.
 */
export function parseAuthority(cert: NamedText, key: NamedText, clock: Clock): Authority {
  const chain = readChain(cert);
  const privateKey = readKey(key);
  const [own] = chain;
  if (!own.checkPrivateKey(privateKey)) {
    throw new AuthorityError(
      "mismatched",
      `the key in ${key.path} is not the one that the certificate in ${cert.path} was made for; ` +
        "put back the file that belongs to the other",
    );
  }
  const authority = asIssuer(chain, privateKey, cert.path);
  assertInForce(authority, cert.path, clock());
  return authority;
}

/** The certificates in a PEM text, in its order; whatever else it holds is passed over. */
export function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function readChain({ path, text }: NamedText): [X509Certificate, ...X509Certificate[]] {
  const failure = (cause?: unknown) =>
    new AuthorityError(
      "not-pem",
      `${path} is no certificate in PEM: it must hold "-----BEGIN CERTIFICATE-----"; ` +
        `convert a DER file with: openssl x509 -inform DER -in ${path} -out ca.pem`,
      { cause },
    );
  try {
    const [own, ...above] = certificatesIn(text).map((pem) => new X509Certificate(pem));
    if (own !== undefined) return [own, ...above];
  } catch (error) {
    throw failure(error);
  }
  throw failure();
}

function readKey({ path, text }: NamedText): KeyObject {
  const key = parseKey(path, text);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== "rsa" || bits < 2048) {
    const kind = key.asymmetricKeyType === "rsa" ? `of ${bits} bits` : `of type ${key.asymmetricKeyType}`;
    throw new AuthorityError(
      "unsupported-key",
      `${path} is a key ${kind}, and an authority's must be RSA of 2048 bits or more; see certs/README.md for how`,
    );
  }
  return key;
}

function parseKey(path: string, text: string): KeyObject {
  // Of PKCS #8 ("BEGIN ENCRYPTED PRIVATE KEY") and of the older form ("Proc-Type: 4,ENCRYPTED", RFC 1421).
  if (/^-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(text)) {
    throw new AuthorityError(
      "unsupported-key",
      `${path} is encrypted, and nobody is there to type its passphrase; ` +
        `decrypt it with: openssl pkey -in ${path} -out ca.key`,
    );
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new AuthorityError(
      "not-pem",
      `${path} is no private key in PEM: it must hold "-----BEGIN PRIVATE KEY-----"; ` +
        `convert a DER file with: openssl pkey -inform DER -in ${path} -out ca.key`,
      { cause },
    );
  }
}

/** Refuses here, once and in words, what strict clients would refuse at every handshake (RFC 5280 4.2.1). */
function asIssuer(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  privateKey: KeyObject,
  path: string,
): Authority {
  const failure = (reason: string, cause?: unknown) =>
    new AuthorityError(
      "not-an-authority",
      `the certificate in ${path} ${reason}; see certs/README.md for one that will do`,
      {
        cause,
      },
    );
  if (!chain[0].ca) throw failure("may not issue certificates (basicConstraints CA, keyUsage keyCertSign)");
  const authority = readable(chain, privateKey, (cause) =>
    failure("has a structure that cannot be read", cause),
  );
  const { certificate } = authority;
  if (extensionOf(certificate, "2.5.29.19")?.critical !== true)
    throw failure("has basicConstraints not marked critical");
  if (extensionOf(certificate, "2.5.29.15") === undefined) throw failure("has no keyUsage");
  if (subjectKeyIdentifier(certificate) === undefined) throw failure("has no subjectKeyIdentifier");
  return authority;
}

function readable(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  privateKey: KeyObject,
  failure: (cause: unknown) => AuthorityError,
): Authority {
  try {
    return toAuthority(chain, privateKey);
  } catch (cause) {
    throw failure(cause);
  }
}

function assertInForce(authority: Authority, path: string, now: number): void {
  if (now < authority.notBefore.getTime()) {
    throw new AuthorityError(
      "not-yet-valid",
      `the certificate in ${path} is valid only from ${authority.notBefore.toISOString()}; set this machine's clock right, or ${howToMakeAnother}`,
    );
  }
  if (now >= authority.notAfter.getTime()) {
    throw new AuthorityError(
      "expired",
      `the certificate in ${path} expired at ${authority.notAfter.toISOString()}; ${howToMakeAnother}`,
    );
  }
}
