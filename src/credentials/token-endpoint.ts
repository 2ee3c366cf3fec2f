import { randomBytes } from "node:crypto";
import { errors, jwtVerify } from "jose";
import type { Placeholder } from "./placeholder.ts";

export interface TokenRequest {
  readonly method: string;
  readonly target: string;
  readonly body: Buffer;
}

export interface TokenAnswer {
  readonly status: number;
  readonly body: Buffer;
}

const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AUDIENCES = ["https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token"];
/** Seconds; Google's own access tokens live as long. */
const LIFETIME = 3_600;
/** Seconds by which an agent's clock may differ. */
const LEEWAY = 300;

/**
 * Google's token endpoint for service accounts (RFC 7523, as "Using OAuth 2.0 for Server to Server Applications" has it),
 * for the one service account that is a placeholder. The access token that it gives is worth nothing anywhere: identity
 * comes from the connection.
 */
export class TokenEndpoint {
  readonly #placeholder: Placeholder;

  constructor(placeholder: Placeholder) {
    this.#placeholder = placeholder;
  }

  async answer({ method, target, body }: TokenRequest): Promise<TokenAnswer> {
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
    try {
      await jwtVerify(form.get("assertion") ?? "", this.#placeholder.publicKey, {
        algorithms: ["RS256"],
        issuer: this.#placeholder.email,
        audience: AUDIENCES,
        clockTolerance: LEEWAY,
        requiredClaims: ["exp", "iat"],
      });
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      const fix = "make the agent's environment anew with bqtape env";
      return failure(
        400,
        "invalid_grant",
        `the placeholder's assertion was not accepted (${error.code}): ${fix}`,
      );
    }
    const access_token = `bqtape-placeholder-${randomBytes(24).toString("base64url")}`;
    return json(200, { access_token, expires_in: LIFETIME, token_type: "Bearer" });
  }
}

/** An error of RFC 6749, section 5.2. */
function failure(status: number, error: string, description: string): TokenAnswer {
  return json(status, { error, error_description: `bqtape: ${description}` });
}

function json(status: number, value: object): TokenAnswer {
  return { status, body: Buffer.from(JSON.stringify(value)) };
}
