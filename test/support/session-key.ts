import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
import { placeholderFile, sessionEmail } from "../../src/credentials/placeholder.ts";
import type { KeyHolder } from "../../src/credentials/session-placeholder.ts";

/** Where Google's clients send assertions, as they name it in them. */
export const TOKEN_URL = "https://oauth2.googleapis.com/token";
/** What gRPC clients of the Storage API name as the audience of a JWT. */
export const STORAGE_URL = "https://bigquerystorage.googleapis.com/";

/** A session with a placeholder key of its own, and its owner's side of it. */
export class SessionKey implements KeyHolder {
  readonly session: string;
  readonly placeholderKey: string;
  readonly email: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;

  constructor(session: string) {
    this.session = session;
    this.email = sessionEmail(session);
    ({ publicKey: this.publicKey, privateKey: this.privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
    }));
    this.placeholderKey = String(this.publicKey.export({ format: "jwk" }).n);
  }

  /** The credentials file that the session's clients read. */
  file(project: string): string {
    const { email, privateKey } = this;
    return placeholderFile({ email, project, privateKey, keyId: randomUUID() });
  }

  /** What a client signs for a gRPC call, but for these claims and header fields. */
  jwt(claims: object = {}, header: object = {}): string {
    const signed = this.#unsigned(claims, header);
    return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), this.privateKey).toString("base64url")}`;
  }

  /** What a client signs for the token endpoint. */
  assertion(claims: object = {}): string {
    const scope = "https://www.googleapis.com/auth/bigquery";
    return this.jwt({ sub: undefined, aud: TOKEN_URL, scope, ...claims });
  }

  /** A JWT without a signature. */
  unsigned(): string {
    return `${this.#unsigned({}, { alg: "none" })}.`;
  }

  /** A JWT whose HMAC is made with what everybody may know: the public key, as PEM. */
  hmac(): string {
    const signed = this.#unsigned({}, { alg: "HS256" });
    const pem = this.publicKey.export({ type: "spki", format: "pem" });
    return `${signed}.${createHmac("sha256", pem).update(signed).digest("base64url")}`;
  }

  #unsigned(claims: object, header: object): string {
    const now = Math.floor(Date.now() / 1_000);
    const { email } = this;
    const payload = { iss: email, sub: email, aud: STORAGE_URL, iat: now, exp: now + 3_600, ...claims };
    return [{ alg: "RS256", typ: "JWT", ...header }, payload].map(encoded).join(".");
  }
}

/** The body of a request for an access token. */
export function tokenForm(assertion: string): string {
  const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
  return new URLSearchParams({ grant_type, assertion }).toString();
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
