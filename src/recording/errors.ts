export const JOURNAL_ERROR_CODES = ["unusable", "stalled", "broken", "closed", "too-long"] as const;

/**
 * - `unusable`: the directory or a file in it cannot be opened;
 * - `stalled`: a write failed and is tried again;
 * - `broken`: a sync failed, only a restart helps;
 * - `closed`: the journal was closed;
 * - `too-long`: of this record alone: no reader would take it.
 */
export type JournalErrorCode = (typeof JOURNAL_ERROR_CODES)[number];

/** Why something could not be recorded. */
export class JournalError extends Error {
  override readonly name = "JournalError";
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What people do about the system's errors that recording meets. */
const FIXES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free space, or lower recording.journal.maxBytes",
  EDQUOT: "the disk quota is used up: raise it, or lower recording.journal.maxBytes",
  EACCES: "permission denied: let the user that runs bqtape write there",
  EPERM: "not permitted: let the user that runs bqtape write there",
  EROFS: "the file system is read-only: choose another dataDir",
  ENOTDIR: "a part of the path is not a directory: choose another dataDir",
  EIO: "the disk reports an input/output error: check it",
};

/** An error whose message says what failed, why, and what mends it. */
export function journalError(code: JournalErrorCode, what: string, cause?: unknown): JournalError {
  if (cause === undefined) return new JournalError(code, what);
  const system = systemCode(cause);
  const why =
    (system !== undefined && FIXES[system]) || (cause instanceof Error ? cause.message : String(cause));
  return new JournalError(code, `${what}: ${why}`, { cause });
}

/** The system's code of an error, such as `ENOSPC`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
