import { createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { canonicalize } from "../canonical.ts";

/** A public key that checks recordings: Ed25519 as a JSON Web Key (RFC 7517, RFC 8037), and how it came to be one. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  /** The 32 bytes of the key, base64url. */
  readonly x: string;
  /** Its thumbprint (RFC 7638). */
  readonly kid: string;
  /** Since when it signs; milliseconds since the Unix epoch. */
  readonly since?: number;
  /** The key that signed before, and gave way to this one. */
  readonly introducedBy?: string;
  /** That key's signature over the canonical JSON (RFC 8785) of this object without this member; base64url. */
  readonly introduction?: string;
}

/** What signs recordings. */
export interface Signer {
  readonly kid: string;
  /** The Ed25519 signature (RFC 8032) of a text's UTF-8; base64url. */
  sign(text: string): string;
}

export function signerOf(privateKey: KeyObject): Signer {
  return {
    kid: publicJwk(createPublicKey(privateKey)).kid,
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url"),
  };
}

/** @throws {TypeError} when it is no Ed25519 key. */
export function publicJwk(key: KeyObject): Pick<PublicJwk, "kty" | "crv" | "x" | "kid"> {
  if (key.asymmetricKeyType !== "ed25519") {
    throw new TypeError(`a key of type ${key.asymmetricKeyType ?? key.type}, not Ed25519`);
  }
  const { x = "" } = key.export({ format: "jwk" });
  return { kty: "OKP", crv: "Ed25519", x, kid: thumbprint(x) };
}

/**
 * A key as somebody else wrote it down. Its `kid` is worked out anew: a name proves nothing.
 *
 * @throws {TypeError} when it is none.
 */
export function parseJwk(value: unknown): PublicJwk {
  const { kty, crv, x, since, introducedBy, introduction } = (value ?? {}) as Record<string, unknown>;
  if (kty !== "OKP" || crv !== "Ed25519" || typeof x !== "string" || !/^[\w-]{43}$/.test(x)) {
    throw new TypeError("no Ed25519 key (RFC 8037)");
  }
  return {
    ...{ kty, crv, x, kid: thumbprint(x) },
    ...(typeof since === "number" && { since }),
    ...(typeof introducedBy === "string" && { introducedBy }),
    ...(typeof introduction === "string" && { introduction }),
  };
}

/** RFC 7638, section 3, with the members that RFC 8037 (appendix A.3) names. */
function thumbprint(x: string): string {
  return hash("sha256", `{"crv":"Ed25519","kty":"OKP","x":${JSON.stringify(x)}}`, "base64url");
}

/** Whether a key signed a text. */
export function isSignedBy({ kty, crv, x }: PublicJwk, text: string, signature: unknown): boolean {
  if (typeof signature !== "string") return false;
  const bytes = Buffer.from(signature, "base64url");
  // The last character has bits to spare: another one must not do as well.
  if (bytes.toString("base64url") !== signature) return false;
  const key = keyObjects.get(x) ?? createPublicKey({ format: "jwk", key: { kty, crv, x } });
  if (keyObjects.size >= MAX_KEY_OBJECTS) keyObjects.clear();
  keyObjects.set(x, key);
  return verify(null, Buffer.from(text), key, bytes);
}

const MAX_KEY_OBJECTS = 64;
const keyObjects = new Map<string, KeyObject>();

/** A new key, introduced by the one that signed before. */
export function introduce(key: KeyObject, since: number, before: Signer | undefined): PublicJwk {
  const jwk = { ...publicJwk(key), since, ...(before !== undefined && { introducedBy: before.kid }) };
  return before === undefined ? jwk : { ...jwk, introduction: before.sign(canonicalize(jwk)) };
}

/** Whether one key has introduced the other. */
export function hasIntroduced(before: PublicJwk, { introduction, ...jwk }: PublicJwk): boolean {
  return jwk.introducedBy === before.kid && isSignedBy(before, canonicalize(jwk), introduction);
}
