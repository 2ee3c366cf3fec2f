import { hkdfSync } from "node:crypto";
import type { Authority } from "./authority.ts";

/**
 * A secret that all gateways of an authority have, and that lasts as long as its key: made of that key by HKDF (RFC 5869,
 * SHA-256), one for each purpose. Whoever has the key could play the gateway anyway.
 */
export function sharedSecret({ privateKey }: Authority, purpose: string, bytes: number): Buffer {
  const key = privateKey.export({ type: "pkcs8", format: "der" });
  return Buffer.from(hkdfSync("sha256", key, "", `bqtape ${purpose}`, bytes));
}
