import { hash } from "node:crypto";
import type { JWTPayload, JWTVerifyResult } from "jose";
import { errors, jwtVerify } from "jose";
import type { Dispatcher } from "undici";
import type { OidcIssuerConfig } from "../../config/identity.ts";
import type { IdentityReason } from "../reasons.ts";
import { ClaimError, groupsOf, hasValue, subjectOf, userOf } from "./claims.ts";
import { KeySet, type KeySetState, type LocalKeys } from "./key-set.ts";

/** What an ID token says, when it is one. */
export interface IdToken {
  readonly issuer: string;
  readonly subject: string;
  readonly user: string;
  readonly groups: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  /** Likewise; absent when the token does not say. */
  readonly issuedAt?: number;
  /** Names this one token, in 22 characters of `A-Z a-z 0-9 _ -`, and tells nothing of it. */
  readonly id: string;
}

/** Why a token is none: for the operator and the recording, never for whoever sent it. */
export interface RefusedToken {
  readonly refused: IdentityReason;
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

  get keySet(): KeySetState {
    return this.#keys.state;
  }

  /** Never throws for what a token says. */
  async verify(token: string): Promise<IdToken | RefusedToken> {
    if (this.#keys.current === undefined) await this.#keys.refresh();
    const keys = this.#keys.current;
    if (keys === undefined) return { refused: "keys-unavailable" };
    try {
      return this.#read(await this.#verified(token, keys));
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return { refused: reasonOf(error) };
    }
    await this.#keys.refresh();
    const fresh = this.#keys.current;
    if (fresh === undefined || fresh === keys) return { refused: "unknown-key" };
    try {
      return this.#read(await this.#verified(token, fresh));
    } catch (error) {
      return { refused: reasonOf(error) };
    }
  }

  async #verified(token: string, keys: LocalKeys): Promise<JWTVerifyResult> {
    const { issuer, audience, clientId, algorithms } = this.config;
    const options = {
      issuer,
      // An ID token is for the client that asked for it (section 2, `aud`), as bqtape login does.
      audience: clientId === undefined ? audience : [audience, clientId],
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

  #read({ payload: claims, protectedHeader: { typ } }: JWTVerifyResult): IdToken {
    const { issuer, groupsClaim, groupsPrefix, requires, userClaim } = this.config;
    this.#checkParty(claims, isAccessToken(typ));
    if (!requires.every(({ claim, values }) => hasValue(claims, claim, values)))
      throw new ClaimError("required-claim");
    const { iss, sub, exp = 0, iat, sid, jti } = claims;
    if (typeof iat === "number" && iat > Date.now() / 1000 + LEEWAY) throw new ClaimError("issued-later");
    const id = hash("sha256", JSON.stringify([iss, sub, sid, jti, iat, exp]), "base64url").slice(0, 22);
    return {
      issuer,
      subject: subjectOf(claims),
      user: userOf(claims, userClaim),
      groups: groupsOf(claims, groupsClaim).map((group) => groupsPrefix + group),
      expiresAt: exp * 1000,
      ...(typeof iat === "number" && { issuedAt: iat * 1000 }),
      id,
    };
  }

  /**
   * Steps 4 and 5: a token that was made by request of another client, or for several, is good for those that are named.
   *
   * An access token says who a client is, not that a person is there; so it is good only for clients that are named in
   * `authorizedParties`, as an orchestrator is that has it by its own credentials (RFC 9068, section 2.2).
   */
  #checkParty({ aud, azp, client_id }: JWTPayload, isAccessToken: boolean): void {
    const { authorizedParties, audience, clientId } = this.config;
    const trusted = authorizedParties ?? [audience, ...(clientId === undefined ? [] : [clientId])];
    if (isAccessToken && authorizedParties === undefined) throw new ClaimError("access-token");
    const audiences = typeof aud === "string" ? [aud] : (aud ?? []);
    const made = isAccessToken ? client_id : audiences.length === 1 ? audiences[0] : undefined;
    const party = azp ?? made;
    if (typeof party !== "string" || !trusted.includes(party)) throw new ClaimError("authorized-party");
  }
}

/** Whether a JWT's header says that it is an access token (RFC 9068, section 2.1). */
export function isAccessToken(typ: string | undefined): boolean {
  return typ !== undefined && /^(?:application\/)?at\+jwt$/i.test(typ);
}

function reasonOf(error: unknown): IdentityReason {
  if (error instanceof ClaimError) return error.reason;
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `claim-${error.claim}`;
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return "algorithm";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (error instanceof errors.JWKSMultipleMatchingKeys || error instanceof errors.JWKSNoMatchingKey)
    return "unknown-key";
  return "malformed";
}
