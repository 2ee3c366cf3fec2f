import { hash } from "node:crypto";
import type { JWTPayload, JWTVerifyResult } from "jose";
import { errors, jwtVerify } from "jose";
import type { Dispatcher } from "undici";
import type { OidcIssuerConfig } from "../../config/identity.ts";
import { ClaimError, groupsOf, subjectOf, userOf } from "./claims.ts";
import { KeySet, type LocalKeys } from "./key-set.ts";

/** What an ID token says, when it is one. */
export interface IdToken {
  readonly issuer: string;
  readonly subject: string;
  readonly user: string;
  readonly groups: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  /** Names this one token, in 22 characters of `A-Z a-z 0-9 _ -`, and tells nothing of it. */
  readonly id: string;
}

/** Why a token is none: for the operator and the recording, never for whoever sent it. */
export interface RefusedToken {
  readonly refused: string;
}

/** Seconds by which the provider's clock and this machine's may differ. */
const LEEWAY = 30;
/** Keys tried of a set where the token does not say which. */
const MAX_TRIED = 8;

export interface IssuerOptions {
  readonly dispatcher: Dispatcher;
  readonly onError: (error: Error) => void;
  readonly onChange: () => void;
}

/** One provider that is trusted to say who somebody is (OpenID Connect Core 1.0, section 3.1.3.7). */
export class Issuer {
  readonly config: OidcIssuerConfig;
  readonly #keys: KeySet;

  constructor(config: OidcIssuerConfig, options: IssuerOptions) {
    this.config = config;
    this.#keys = new KeySet({ issuer: config.issuer, ...options });
  }

  /** Never throws for what a token says. */
  async verify(token: string): Promise<IdToken | RefusedToken> {
    if (this.#keys.current === undefined) await this.#keys.refresh();
    const keys = this.#keys.current;
    if (keys === undefined) return { refused: "keys-unavailable" };
    try {
      return this.#read((await this.#verified(token, keys)).payload);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return { refused: reasonOf(error) };
    }
    await this.#keys.refresh();
    const fresh = this.#keys.current;
    if (fresh === undefined || fresh === keys) return { refused: "unknown-key" };
    try {
      return this.#read((await this.#verified(token, fresh)).payload);
    } catch (error) {
      return { refused: reasonOf(error) };
    }
  }

  async #verified(token: string, keys: LocalKeys): Promise<JWTVerifyResult> {
    const { issuer, audience, algorithms } = this.config;
    const options = {
      issuer,
      audience,
      algorithms: [...algorithms],
      clockTolerance: LEEWAY,
      requiredClaims: ["exp", "sub"],
    };
    try {
      return await jwtVerify(token, keys, options);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      let last: unknown = error;
      let tried = 0;
      for await (const key of error) {
        if (++tried > MAX_TRIED) break;
        try {
          return await jwtVerify(token, key, options);
        } catch (failure) {
          last = failure;
          if (!(failure instanceof errors.JWSSignatureVerificationFailed)) break;
        }
      }
      throw last;
    }
  }

  #read(claims: JWTPayload): IdToken {
    const { issuer, groupsClaim, userClaim } = this.config;
    this.#checkParty(claims);
    const { iss, sub, exp = 0, iat, sid, jti } = claims;
    if (typeof iat === "number" && iat > Date.now() / 1000 + LEEWAY) throw new ClaimError("issued-later");
    const id = hash("sha256", JSON.stringify([iss, sub, sid, jti, iat, exp]), "base64url").slice(0, 22);
    return {
      issuer,
      subject: subjectOf(claims),
      user: userOf(claims, userClaim),
      groups: groupsOf(claims, groupsClaim),
      expiresAt: exp * 1000,
      id,
    };
  }

  /** Steps 4 and 5: a token that was made for several, or by request of another client, is good for those that are named. */
  #checkParty({ aud, azp }: JWTPayload): void {
    const { authorizedParties, audience, clientId } = this.config;
    const trusted = authorizedParties ?? [audience, ...(clientId === undefined ? [] : [clientId])];
    const needed = authorizedParties !== undefined || (Array.isArray(aud) && aud.length > 1);
    if (azp === undefined && !needed) return;
    if (typeof azp !== "string" || !trusted.includes(azp)) throw new ClaimError("authorized-party");
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ClaimError) return error.message;
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `claim-${error.claim}`;
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return "algorithm";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (error instanceof errors.JWKSMultipleMatchingKeys) return "unknown-key";
  return "malformed";
}
