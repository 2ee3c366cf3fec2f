import { randomBytes } from "node:crypto";

/** Tokens that are remembered; beyond it the oldest is forgotten. */
const MAX_TOKENS = 10_000;

/** What an access token stands for. */
export interface Access {
  /** Whose it is. */
  email: string;
  scopes: readonly string[];
}

interface Given extends Access {
  /** Milliseconds since 1970. */
  expires: number;
}

/** The access tokens that the sandbox has given, and takes. */
export class AccessTokens {
  /** Oldest first. */
  readonly #given = new Map<string, Given>();

  /** @param expires milliseconds since 1970 */
  give(access: Access, expires: number): string {
    const token = `ya29.sandbox-${randomBytes(32).toString("base64url")}`;
    this.#given.set(token, { ...access, expires });
    const [oldest] = this.#given.keys();
    if (this.#given.size > MAX_TOKENS && oldest !== undefined) this.#given.delete(oldest);
    return token;
  }

  /** `undefined`: it was not given here, or has expired. */
  read(token: string, now = Date.now()): Access | undefined {
    const given = this.#given.get(token);
    return given !== undefined && now < given.expires ? given : undefined;
  }
}
