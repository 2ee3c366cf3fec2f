/** The command was called wrongly; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Errors of what the command was given: arguments, configuration, and the files that it names. */
const GIVEN: ReadonlySet<string> = new Set([
  "UsageError",
  "ConfigError",
  "CredentialError",
  "AuthorityError",
]);

/**
 * Whether an error is of what the command was given, so that the same again would fail again. Not so where the error says that
 * it is passing: a port in use, a directory that is not mounted yet, a metadata server that does not answer.
 */
export function isGiven(error: unknown): boolean {
  if (!(error instanceof Error) || !GIVEN.has(error.name)) return false;
  return !("passing" in error && error.passing === true);
}

/** Says on standard error what went wrong; answers the exit code: 2 for what the command was given, else 1. */
export function explainFailure(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`bqtape: ${message}\n`);
  return isGiven(error) ? 2 : 1;
}
