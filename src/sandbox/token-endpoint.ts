import { verify } from "node:crypto";
import type { AccessTokens } from "./access-tokens.ts";
import type { ServiceAccount } from "./service-account.ts";

/** How long an access token is good, in seconds; Google's are, too. */
const TOKEN_SECONDS = 3600;

/** How far a client's clock may be off, in seconds. */
const CLOCK_SKEW_SECONDS = 300;

/** The longest that an assertion may be valid for, in seconds. */
const MAX_ASSERTION_SECONDS = 3600;

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
  readonly #tokens: AccessTokens;

  constructor(account: ServiceAccount, tokenUrl: string, tokens: AccessTokens) {
    this.#account = account;
    this.#tokens = tokens;
    this.#audiences = new Set([tokenUrl, GOOGLE_AUDIENCE]);
  }

  answer(contentType: string | undefined, body: string, now = Date.now()): TokenAnswer {
    if (contentType?.split(";")[0]?.trim().toLowerCase() !== "application/x-www-form-urlencoded") {
      return refusal("the request is not a form");
    }
    const form = new URLSearchParams(body);
    if (form.get("grant_type") !== GRANT_TYPE) return refusal("grant_type is not a JWT bearer's");
    const read = this.#read(form.get("assertion") ?? "", now / 1000);
    if (typeof read === "string") return refusal(read);
    const access = { email: this.#account.email, scopes: read.scopes };
    const access_token = this.#tokens.give(access, now + TOKEN_SECONDS * 1000);
    return { status: 200, body: { access_token, expires_in: TOKEN_SECONDS, token_type: "Bearer" } };
  }

  /** What an assertion asks for, or what is wrong with it. `now` is in seconds. */
  #read(assertion: string, now: number): { scopes: readonly string[] } | string {
    const [head = "", payload = "", signature = "", ...rest] = assertion.split(".");
    const header = decode(head);
    const claims = decode(payload);
    if (header === undefined || claims === undefined || rest.length > 0) return "the assertion is no JWT";
    if (header.alg !== "RS256") return "the assertion is not signed with RS256";
    const signed = Buffer.from(`${head}.${payload}`);
    if (!verify("RSA-SHA256", signed, this.#account.publicKey, Buffer.from(signature, "base64url"))) {
      return "Invalid JWT Signature.";
    }
    const { iss, aud, exp, iat, scope } = claims;
    if (iss !== this.#account.email) return "iss is not the service account";
    if (typeof aud !== "string" || !this.#audiences.has(aud)) return "aud is not this token endpoint";
    if (typeof exp !== "number" || typeof iat !== "number") return "exp or iat is missing";
    if (iat > now + CLOCK_SKEW_SECONDS) return "iat is in the future";
    if (exp < now - CLOCK_SKEW_SECONDS) return "the assertion has expired";
    if (exp - iat > MAX_ASSERTION_SECONDS) return "the assertion is valid for more than an hour";
    if (typeof scope !== "string" || scope.trim() === "") return "scope is missing";
    return { scopes: scope.trim().split(/ +/) };
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
