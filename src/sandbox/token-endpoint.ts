import { randomBytes, verify } from "node:crypto";
import type { ServiceAccount } from "./service-account.ts";

/** How long an access token is good, in seconds; Google's are, too. */
const TOKEN_SECONDS = 3600;

/** How far a client's clock may be off, in seconds. */
const CLOCK_SKEW_SECONDS = 300;

/** The longest that an assertion may be valid for, in seconds. */
const MAX_ASSERTION_SECONDS = 3600;

/** Tokens that are remembered; beyond it the oldest is forgotten. */
const MAX_TOKENS = 10_000;

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** google-auth-library writes this audience whatever the key file's `token_uri` says. */
const GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token";

export interface TokenAnswer {
  status: 200 | 400;
  body: object;
}

/**
 * Gives access tokens for assertions of one service account, and for nothing else (RFC 7523, "Using OAuth 2.0 for Server to
 * Server Applications").
 */
export class TokenEndpoint {
  readonly #account: ServiceAccount;
  readonly #audiences: ReadonlySet<string>;
  /** When each token expires, in milliseconds since 1970; oldest first. */
  readonly #tokens = new Map<string, number>();

  constructor(account: ServiceAccount, tokenUrl: string) {
    this.#account = account;
    this.#audiences = new Set([tokenUrl, GOOGLE_AUDIENCE]);
  }

  answer(contentType: string | undefined, body: string, now = Date.now()): TokenAnswer {
    if (contentType?.split(";")[0]?.trim().toLowerCase() !== "application/x-www-form-urlencoded") {
      return refusal("the request is not a form");
    }
    const form = new URLSearchParams(body);
    if (form.get("grant_type") !== GRANT_TYPE) return refusal("grant_type is not a JWT bearer's");
    const fault = this.#faultOf(form.get("assertion") ?? "", now / 1000);
    if (fault !== undefined) return refusal(fault);
    const token = `ya29.sandbox-${randomBytes(32).toString("base64url")}`;
    this.#remember(token, now + TOKEN_SECONDS * 1000);
    return { status: 200, body: { access_token: token, expires_in: TOKEN_SECONDS, token_type: "Bearer" } };
  }

  accepts(token: string, now = Date.now()): boolean {
    const expires = this.#tokens.get(token);
    return expires !== undefined && now < expires;
  }

  #remember(token: string, expires: number): void {
    this.#tokens.set(token, expires);
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size > MAX_TOKENS && oldest !== undefined) this.#tokens.delete(oldest);
  }

  /** What is wrong with an assertion. `now` is in seconds. */
  #faultOf(assertion: string, now: number): string | undefined {
    const [head = "", payload = "", signature = "", ...rest] = assertion.split(".");
    const header = decode(head);
    const claims = decode(payload);
    if (header === undefined || claims === undefined || rest.length > 0) return "the assertion is no JWT";
    if (header.alg !== "RS256") return "the assertion is not signed with RS256";
    const signed = Buffer.from(`${head}.${payload}`);
    if (!verify("RSA-SHA256", signed, this.#account.publicKey, Buffer.from(signature, "base64url"))) {
      return "Invalid JWT Signature.";
    }
    const { iss, aud, exp, iat } = claims;
    if (iss !== this.#account.email) return "iss is not the service account";
    if (typeof aud !== "string" || !this.#audiences.has(aud)) return "aud is not this token endpoint";
    if (typeof exp !== "number" || typeof iat !== "number") return "exp or iat is missing";
    if (iat > now + CLOCK_SKEW_SECONDS) return "iat is in the future";
    if (exp < now - CLOCK_SKEW_SECONDS) return "the assertion has expired";
    if (exp - iat > MAX_ASSERTION_SECONDS) return "the assertion is valid for more than an hour";
    return undefined;
  }
}

function refusal(description: string): TokenAnswer {
  return { status: 400, body: { error: "invalid_grant", error_description: description } };
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
