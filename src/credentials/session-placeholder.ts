import { createHmac, createPublicKey, hash, type JsonWebKey, timingSafeEqual } from "node:crypto";
import { errors, type JWTPayload, jwtVerify } from "jose";
import { Lru } from "../identity/lru.ts";
import { ACCESS_TOKEN_PREFIX, LEEWAY, LIFETIME, sessionEmail, TOKEN_AUDIENCES } from "./placeholder.ts";

/** A session that has a placeholder key of its own. */
export interface KeyHolder {
  readonly session: string;
  /** The key's modulus (base64url; RFC 7518, section 6.3.1.1); its exponent is 65537. */
  readonly placeholderKey: string;
}

/** Credentials remembered as verified. */
const MAX_VERIFIED = 10_000;
/** Characters of a JWT or access token at most; those of Google's clients have less than 1,000. */
const MAX_LENGTH = 4_096;
const ACCESS_TOKEN = new RegExp(`^${ACCESS_TOKEN_PREFIX}([0-9a-z]{1,10})-([A-Za-z0-9_-]{43})$`);

interface Verified extends KeyHolder {
  /** Seconds since the epoch. */
  readonly until: number;
}

/**
 * Placeholders that name their session: JWTs that its own key signed ("Using OAuth 2.0 for Server to Server Applications",
 * self-signed JWTs, which gRPC clients send without asking for a token), and access tokens that the token endpoint gave it,
 * which carry an HMAC-SHA-256 of session, key and end, so that any gateway that has the secret knows them, and none has to
 * remember.
 */
export class SessionPlaceholders {
  readonly #secret: Buffer;
  readonly #isServed: (host: string) => boolean;
  /** By digest, so that what is kept is worth nothing. */
  readonly #verified = new Lru<string, Verified>(MAX_VERIFIED);

  /** @param isServed whether a JWT may be meant for a host. */
  constructor(secret: Buffer, isServed: (host: string) => boolean) {
    this.#secret = secret;
    this.#isServed = isServed;
  }

  /** An access token of a session, good for {@link LIFETIME}. */
  issue(holder: KeyHolder, now = Date.now()): string {
    const end = (Math.floor(now / 1_000) + LIFETIME).toString(36);
    return `${ACCESS_TOKEN_PREFIX}${end}-${this.#mac(holder, end).toString("base64url")}`;
  }

  /**
   * Why a Bearer credential is none of a session; `undefined` when it is. At once, unless it is a JWT that was not seen before.
   */
  fault(
    credential: string,
    holder: KeyHolder,
    now = Date.now(),
  ): string | undefined | Promise<string | undefined> {
    if (credential.length > MAX_LENGTH) return "it is too long";
    const digest = hash("sha256", credential, "base64url");
    const known = this.#verified.get(digest);
    if (known === undefined) {
      return credential.startsWith(ACCESS_TOKEN_PREFIX)
        ? this.#faultOfToken(credential, digest, holder, now)
        : this.#faultOfJwt(credential, digest, holder, now);
    }
    const same = known.session === holder.session && known.placeholderKey === holder.placeholderKey;
    if (!same) return "it is another session's";
    return now / 1_000 > known.until ? "it has expired" : undefined;
  }

  /** Why an assertion to the token endpoint (RFC 7523, section 3) is none of a session; `undefined` when it is. */
  async faultOfAssertion(
    assertion: string,
    holder: KeyHolder,
    now = Date.now(),
  ): Promise<string | undefined> {
    const claims = await verified(assertion, holder, now);
    if (typeof claims === "string") return claims;
    // Domain-wide delegation: the account would act for somebody else.
    if (claims.sub !== undefined && claims.sub !== claims.iss) return "sub is not the session's account";
    const meant = typeof claims.aud === "string" && TOKEN_AUDIENCES.includes(claims.aud);
    return meant ? undefined : "aud is not the token endpoint";
  }

  #faultOfToken(token: string, digest: string, holder: KeyHolder, now: number): string | undefined {
    const [, end = "", mac = ""] = ACCESS_TOKEN.exec(token) ?? [];
    const given = Buffer.from(mac, "base64url");
    const expected = this.#mac(holder, end);
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      return "it is no access token of this session";
    const until = Number.parseInt(end, 36) + LEEWAY;
    if (now / 1_000 > until) return "it has expired";
    this.#remember(digest, holder, until);
    return undefined;
  }

  async #faultOfJwt(
    jwt: string,
    digest: string,
    holder: KeyHolder,
    now: number,
  ): Promise<string | undefined> {
    const claims = await verified(jwt, holder, now);
    if (typeof claims === "string") return claims;
    const { iss, sub, aud, scope, exp = 0, iat = 0 } = claims;
    if (sub !== iss) return "sub is not the session's account";
    // Newer clients name scopes in place of an audience (AIP-4111).
    const meant = aud === undefined ? typeof scope === "string" : this.#isAudience(aud);
    if (!meant) return "aud is none of BigQuery's";
    this.#remember(digest, holder, Math.min(exp, iat + LIFETIME) + LEEWAY);
    return undefined;
  }

  #remember(digest: string, { session, placeholderKey }: KeyHolder, until: number): void {
    this.#verified.set(digest, { session, placeholderKey, until });
  }

  #isAudience(audience: string | string[]): boolean {
    const url = typeof audience === "string" ? URL.parse(audience) : null;
    return url?.protocol === "https:" && url.port === "" && this.#isServed(url.hostname);
  }

  #mac({ session, placeholderKey }: KeyHolder, end: string): Buffer {
    const signed = JSON.stringify([session, placeholderKey, end]);
    return createHmac("sha256", this.#secret).update(signed).digest();
  }
}

/** A JWT's claims, when the session's key signed them in its account's name, and for now; else what is wrong. */
async function verified(
  jwt: string,
  { session, placeholderKey }: KeyHolder,
  now: number,
): Promise<JWTPayload | string> {
  if (jwt.length > MAX_LENGTH) return "it is too long";
  try {
    const jwk: JsonWebKey = { kty: "RSA", n: placeholderKey, e: "AQAB" };
    const { payload } = await jwtVerify(jwt, createPublicKey({ key: jwk, format: "jwk" }), {
      algorithms: ["RS256"],
      issuer: sessionEmail(session),
      clockTolerance: LEEWAY,
      maxTokenAge: LIFETIME,
      requiredClaims: ["exp", "iat"],
      currentDate: new Date(now),
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError)
      return `it is not signed by this session's key, or not for now: ${error.code}`;
    return "this session's key cannot be used";
  }
}
