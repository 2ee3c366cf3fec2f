/** One thing that is wrong, and how to mend it: sentences without their full stop. */
export interface ConfigProblem {
  readonly what: string;
  readonly fix: string;
}

interface ConfigErrorOptions extends ErrorOptions {
  /** The same configuration may be good at the next try. */
  readonly passing?: boolean;
  /** Where the message names several: each of them. */
  readonly problems?: readonly ConfigProblem[];
}

/** What is wrong with the configuration, in one message for a person; commands exit 2 on it, or 1 when it may pass. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Empty where the message is all there is. */
  readonly problems: readonly ConfigProblem[];
  readonly passing: boolean;

  constructor(message: string, { problems = [], passing = false, ...options }: ConfigErrorOptions = {}) {
    super(message, options);
    this.problems = problems;
    this.passing = passing;
  }
}
