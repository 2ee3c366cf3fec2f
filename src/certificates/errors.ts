/** Everything that can be wrong with an authority, as a closed list that callers may switch over. */
export const authorityErrorCodes = [
  /** Only one of certificate and key is there. */
  "half-present",
  /** A file is there, but the operating system does not let it be read. */
  "unreadable",
  /** A new authority could not be put on disk. */
  "unwritable",
  /** A file holds something other than the PEM that it should. */
  "not-pem",
  /** A certificate that strict clients do not accept as an issuer. */
  "not-an-authority",
  /** The private key is of a kind that cannot sign here: not RSA, too short, or encrypted. */
  "unsupported-key",
  /** The certificate belongs to another key. */
  "mismatched",
  /** Group or others may use the key file. */
  "key-exposed",
  "not-yet-valid",
  "expired",
] as const;

export type AuthorityErrorCode = (typeof authorityErrorCodes)[number];

/** An authority that cannot be used. The message names the file, what is wrong with it, and how to mend it. */
export class AuthorityError extends Error {
  override readonly name = "AuthorityError";
  readonly code: AuthorityErrorCode;

  /** A directory may be back at the next try; what is in files stays. */
  get passing(): boolean {
    return this.code === "unwritable";
  }

  constructor(code: AuthorityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
