import { isLoopback } from "../identity/loopback.ts";
import { ConfigError } from "./errors.ts";
import type { Config } from "./schema.ts";

/**
 * Without a way to know who asks, nobody is served; and what knows nobody must not be reachable from elsewhere.
 *
 * @throws {ConfigError}
 */
export function checkIdentity({ identity, proxy }: Pick<Config, "identity" | "proxy">): void {
  if (!identity.loopback && identity.oidc === undefined) {
    throw new ConfigError(
      "nobody could be identified: name your identity provider in identity.oidc, or set identity.loopback: true to serve the processes of this machine",
    );
  }
  const { host } = proxy.listen;
  if (identity.loopback && host !== "localhost" && !isLoopback(host)) {
    throw new ConfigError(
      `identity.loopback goes with a proxy.listen on loopback, such as 127.0.0.1:8080, not on ${host}`,
    );
  }
}
