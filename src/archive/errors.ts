export const ARCHIVE_ERROR_CODES = [
  "newer-schema",
  "older-schema",
  "wrong-key",
  "key-unavailable",
  "not-an-archive",
  "no-data-directory",
  "unknown-id",
  "ambiguous-id",
  "held",
  "running",
  "not-delivered",
  "log-in-use",
  "damaged",
  "failed",
] as const;

/**
 * - `newer-schema`: the file was written by a newer bqtape;
 * - `older-schema`: by one whose format is not read any more;
 * - `wrong-key`: the master key is not the archive's own, or is not there;
 * - `key-unavailable`: who keeps the master key does not give it;
 * - `not-an-archive`: the file is something else;
 * - `no-data-directory`: nothing was ever recorded there;
 * - `unknown-id`, `ambiguous-id`: no session or exchange begins so, or several do;
 * - `held`: a session under legal hold is neither retired nor forgotten;
 * - `running`: nor is a session forgotten that still does something, unless that is asked for;
 * - `not-delivered`: nor one that Kafka has not got yet;
 * - `log-in-use`: something is forgotten, but still lies in the log, which somebody reads;
 * - `damaged`: the file is not as SQLite left it;
 * - `failed`: the archive could not be written or read; the journal keeps what is missing in it.
 */
export type ArchiveErrorCode = (typeof ARCHIVE_ERROR_CODES)[number];

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

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** Whether SQLite finds the file itself to be damaged. */
export function isDamage(error: unknown): boolean {
  if (!(error instanceof Error && "errcode" in error)) return false;
  const code = Number(error.errcode) & 0xff;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** What was thrown; of damage to the file, words for a person, and what to do. */
export function withDamageInWords(file: string, error: unknown): unknown {
  if (!isDamage(error)) return error;
  return new ArchiveError(
    "damaged",
    `the archive ${file} is damaged (${messageOf(error)}): stop the gateway, and \`bqtape archive repair\` saves what is whole`,
    { cause: error },
  );
}
