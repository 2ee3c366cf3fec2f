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

/** Says on standard error what went wrong; answers the exit code: 2 for what the command was given, else 1. */
export function explainFailure(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`bqtape: ${message}\n`);
  return error instanceof Error && GIVEN.has(error.name) ? 2 : 1;
}
