const CODES = [
  "newer-schema",
  "older-schema",
  "wrong-key",
  "not-an-archive",
  "no-data-directory",
  "unknown-id",
  "ambiguous-id",
  "failed",
] as const;

/**
 * - `newer-schema`: the file was written by a newer bqtape;
 * - `older-schema`: by one whose format is not read any more;
 * - `wrong-key`: the master key is not the archive's own, or is not there;
 * - `not-an-archive`: the file is something else;
 * - `no-data-directory`: nothing was ever recorded there;
 * - `unknown-id`, `ambiguous-id`: no session or exchange begins so, or several do;
 * - `failed`: the archive could not be written or read; the journal keeps what is missing in it.
 */
export type ArchiveErrorCode = (typeof CODES)[number];

/** Why the archive cannot be written or read, in words for a person. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
  readonly code: ArchiveErrorCode;

  constructor(code: ArchiveErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
