import { randomBytes } from "node:crypto";
import { errors, jwtVerify } from "jose";
import { ACCESS_TOKEN_PREFIX, LEEWAY, LIFETIME, type Placeholder, TOKEN_AUDIENCES } from "./placeholder.ts";
import type { KeyHolder, SessionPlaceholders } from "./session-placeholder.ts";

export interface TokenRequest {
  readonly method: string;
  readonly target: string;
  readonly body: Buffer;
}

export interface TokenAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Why the assertion is none of the connection's session. */
  readonly mismatch?: string;
}

const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/**
 * Google's token endpoint for service accounts (RFC 7523, as "Using OAuth 2.0 for Server to Server Applications" has it),
 * for the one service account that is a placeholder, or the session's own. The access token that it gives is worth nothing
 * anywhere: identity comes from the connection.
 */
export class TokenEndpoint {
  readonly #placeholder: Placeholder;
  readonly #sessions: Pick<SessionPlaceholders, "faultOfAssertion" | "issue">;

  constructor(placeholder: Placeholder, sessions: Pick<SessionPlaceholders, "faultOfAssertion" | "issue">) {
    this.#placeholder = placeholder;
    this.#sessions = sessions;
  }

  /** @param holder the session of the connection, when it has a key of its own: then no other placeholder will do. */
  async answer({ method, target, body }: TokenRequest, holder?: KeyHolder): Promise<TokenAnswer> {
    if (method !== "POST" || target !== "/token")
      return failure(404, "invalid_request", "only POST /token is served");
    const form = new URLSearchParams(body.toString("utf8"));
    if (form.get("grant_type") !== GRANT) {
      return failure(
        400,
        "unsupported_grant_type",
        `grant_type must be ${GRANT}: use the credentials file that bqtape env made`,
      );
    }
    const assertion = form.get("assertion") ?? "";
    if (holder !== undefined) {
      const mismatch = await this.#sessions.faultOfAssertion(assertion, holder);
      if (mismatch !== undefined) return { ...notAccepted(mismatch), mismatch };
      return granted(this.#sessions.issue(holder));
    }
    const fault = await this.#fault(assertion);
    return fault === undefined
      ? granted(`${ACCESS_TOKEN_PREFIX}${randomBytes(24).toString("base64url")}`)
      : notAccepted(fault);
  }

  async #fault(assertion: string): Promise<string | undefined> {
    try {
      await jwtVerify(assertion, this.#placeholder.publicKey, {
        algorithms: ["RS256"],
        issuer: this.#placeholder.email,
        audience: [...TOKEN_AUDIENCES],
        clockTolerance: LEEWAY,
        requiredClaims: ["exp", "iat"],
      });
      return undefined;
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      return error.code;
    }
  }
}

function granted(access_token: string): TokenAnswer {
  return json(200, { access_token, expires_in: LIFETIME, token_type: "Bearer" });
}

function notAccepted(fault: string): TokenAnswer {
  const fix = "use the credentials file that came with the agent's environment";
  return failure(400, "invalid_grant", `the placeholder's assertion was not accepted (${fault}): ${fix}`);
}

/** An error of RFC 6749, section 5.2. */
function failure(status: number, error: string, description: string): TokenAnswer {
  return json(status, { error, error_description: `bqtape: ${description}` });
}

function json(status: number, value: object): TokenAnswer {
  return { status, body: Buffer.from(JSON.stringify(value)) };
}
