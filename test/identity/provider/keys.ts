import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import type { JWK } from "oidc-provider";

/** Algorithms that the provider signs with. */
export type Algorithm = "RS256" | "ES256";

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
}

/** A new key for each algorithm. */
export function newKeys(): SigningKey[] {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const kid = randomBytes(6).toString("base64url");
  return [
    { kid: `rsa-${kid}`, algorithm: "RS256", privateKey: rsa.privateKey },
    { kid: `ec-${kid}`, algorithm: "ES256", privateKey: ec.privateKey },
  ];
}

export function toJwk({ kid, algorithm, privateKey }: SigningKey): JWK {
  return { ...(privateKey.export({ format: "jwk" }) as JWK), kid, alg: algorithm, use: "sig" };
}
