/** What is wrong with the configuration, in one message for a person; commands exit 2 on it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
