import { createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ConfigError } from "../../config/errors.ts";
import { type PublicJwk, parseJwk, publicJwk } from "./jwk.ts";

/**
 * The public keys of a file that somebody names: one in PEM (RFC 7468), a JWK, or a JWKS (RFC 7517).
 *
 * @throws {ConfigError} when it has none.
 */
export async function readKeyFile(file: string): Promise<PublicJwk[]> {
  try {
    const text = await readFile(file, "utf8");
    if (text.includes("-----BEGIN")) return [publicJwk(createPublicKey(text))];
    const value = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(value.keys) ? value.keys.map(parseJwk) : [parseJwk(value)];
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      `${file} has no key that checks recordings (${why}): it takes an Ed25519 public key in PEM, as JWK or as JWKS`,
      { cause },
    );
  }
}
