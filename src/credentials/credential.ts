/** What the gateway shows BigQuery in place of the agent's placeholder. */
export interface Credential {
  /** The identity, for recordings: a service account's e-mail where it is known. */
  readonly name: string;
  /**
   * An access token that is good for a while yet.
   *
   * @throws {CredentialError} when none can be had.
   */
  token(): Promise<string>;
  readonly state: TokenState;
}

/** What became of a credential's tokens, for those who watch. */
export interface TokenState {
  /** When the token in use ends, in milliseconds since the epoch; absent while there is none, or its source does not tell. */
  readonly expiresAt?: number;
  /** Tokens that were asked for and given, and those that were not. */
  readonly fetched: number;
  readonly failed: number;
}

interface CredentialErrorOptions extends ErrorOptions {
  /** Who gives tokens does not now: the same configuration may be good at the next try. */
  readonly passing?: boolean;
}

/** Why the gateway has no credential; the message names the fix. */
export class CredentialError extends Error {
  override readonly name = "CredentialError";
  readonly passing: boolean;

  constructor(message: string, { passing = false, ...options }: CredentialErrorOptions = {}) {
    super(message, options);
    this.passing = passing;
  }
}

export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Whether something can be an access token as a header carries it (RFC 6750, section 2.1: visible ASCII, no spaces). */
export function isAccessToken(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]+$/.test(value);
}

/** A token is fetched anew this long before it expires, while the old one still serves. */
const AHEAD = 5 * 60_000;
/** A token that is this close to its end is not used any more: it could expire on its way. */
const MARGIN = 30_000;

/**
 * Keeps the token of a credential: at most one fetch is in flight however many wait, and one that is about to expire is
 * replaced in the background, so that no exchange waits for it.
 */
export class TokenCache implements Credential {
  readonly name: string;
  readonly #fetch: () => Promise<Token>;
  readonly #now: () => number;
  #token: Token | undefined;
  #fetched = 0;
  #failed = 0;
  #fetching: Promise<Token> | undefined;

  constructor(name: string, fetch: () => Promise<Token>, now: () => number = Date.now) {
    this.name = name;
    this.#fetch = fetch;
    this.#now = now;
  }

  get state(): TokenState {
    const counts = { fetched: this.#fetched, failed: this.#failed };
    return this.#token === undefined ? counts : { expiresAt: this.#token.expiresAt, ...counts };
  }

  async token(): Promise<string> {
    const left = (this.#token?.expiresAt ?? 0) - this.#now();
    if (this.#token === undefined || left <= MARGIN) return (await this.#refresh()).value;
    // A failure ahead of time harms nobody yet: the next exchange tries again, and from MARGIN on it is told.
    if (left <= AHEAD) this.#refresh().catch(ignored);
    return this.#token.value;
  }

  #refresh(): Promise<Token> {
    this.#fetching ??= this.#fetch()
      .then(
        (token) => {
          this.#token = token;
          this.#fetched += 1;
          return token;
        },
        (error: unknown) => {
          this.#failed += 1;
          throw error;
        },
      )
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }
}

function ignored(): void {}
