import { createHash, type KeyObject } from "node:crypto";
import forge from "node-forge";

/**
 * The few DER structures that node-forge has no builder for, or whose bytes must be exactly ours.
 *
 * Forge holds bytes as "binary strings", one character a byte (latin1).
 */
const { asn1 } = forge;
const { Class, Type } = asn1;

export type Asn1 = forge.asn1.Asn1;

export function toBytes(element: Asn1): Buffer {
  return Buffer.from(asn1.toDer(element).getBytes(), "latin1");
}

export function fromBytes(bytes: Uint8Array): Asn1 {
  return asn1.fromDer(Buffer.from(bytes).toString("latin1"));
}

/** The elements of a SEQUENCE or SET, in place: assigning to one changes what is encoded. */
export function elementsOf(parent: Asn1): Asn1[] {
  if (typeof parent.value === "string") throw new TypeError("a primitive ASN.1 value has no elements");
  return parent.value;
}

export function elementAt(parent: Asn1, index: number): Asn1 {
  const element = elementsOf(parent)[index];
  if (element === undefined) throw new RangeError(`the ASN.1 value has no element ${index}`);
  return element;
}

function sequence(...elements: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, elements);
}

export function octetString(bytes: Uint8Array): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, Buffer.from(bytes).toString("latin1"));
}

/** A BIT STRING of whole bytes; the leading byte counts the unused bits, none. */
export function bitString(bytes: Uint8Array): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${Buffer.from(bytes).toString("latin1")}`);
}

/** A GeneralName or another IMPLICIT primitive, RFC 5280 4.2.1.6. */
function tagged(tag: number, bytes: string): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, false, bytes);
}

/**
 * A distinguished name of `O` and, when given, `CN`, RFC 5280 4.1.2.4.
 *
 * In UTF8String, because forge's default PrintableString has no `*` and nothing outside ASCII.
 */
export function distinguishedName(name: { organization: string; commonName?: string | undefined }): Asn1 {
  const relative = (oid: string, text: string) =>
    asn1.create(Class.UNIVERSAL, Type.SET, true, [
      sequence(
        asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(oid).getBytes()),
        asn1.create(Class.UNIVERSAL, Type.UTF8, false, Buffer.from(text).toString("latin1")),
      ),
    ]);
  const parts = [relative("2.5.4.10", name.organization)];
  if (name.commonName !== undefined) parts.push(relative("2.5.4.3", name.commonName));
  return sequence(...parts);
}

/** A key's identifier: the SHA-256 of its SubjectPublicKeyInfo, RFC 7093 section 2 method 4. */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest();
}

const dNSName = 2;
const iPAddress = 7;

/**
 * The value of a nameConstraints extension (RFC 5280 4.2.1.10) that permits these domains and all below them.
 *
 * A constraint speaks only of the kind of name it has, so a list of permitted domains alone would leave every
 * IP address open. All of them, of both families, are therefore excluded: address and mask, all zero.
 */
export function onlyTheseDomains(domains: readonly string[]): Asn1 {
  const subtrees = (tag: number, bases: Asn1[]) =>
    asn1.create(
      Class.CONTEXT_SPECIFIC,
      tag,
      true,
      bases.map((base) => sequence(base)),
    );
  return sequence(
    subtrees(
      0,
      domains.map((domain) => tagged(dNSName, domain)),
    ),
    subtrees(1, [tagged(iPAddress, "\0".repeat(8)), tagged(iPAddress, "\0".repeat(32))]),
  );
}
