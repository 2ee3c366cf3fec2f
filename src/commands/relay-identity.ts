import type { Logger } from "pino";
import type { IdentityConfig } from "../config/identity.ts";
import { type GatewayIdentityOptions, gatewayIdentity } from "../identity/gateway-identity.ts";
import type { Identify } from "../identity/identify.ts";
import { loopbackIdentity } from "../identity/loopback.ts";
import type { KeySetState } from "../identity/oidc/key-set.ts";
import { Oidc } from "../identity/oidc/oidc.ts";
import { openSessionKeys } from "../identity/session-key.ts";
import { SessionTokens } from "../identity/session-token.ts";
import type { Sessions } from "../identity/sessions.ts";

/** How a process knows who asks. */
export interface RelayIdentity {
  readonly identify: Identify;
  /** See {@link Oidc.keySets}. */
  keySets(): ReadonlyMap<string, KeySetState>;
  close(): Promise<void>;
}

/** @throws {ConfigError} when a file that the configuration names cannot be used. */
export async function openRelayIdentity(
  identity: IdentityConfig,
  sessions: Sessions,
  log: Logger,
): Promise<RelayIdentity> {
  const tokens = await openTokens(identity, log);
  const loopback = identity.loopback ? loopbackIdentity() : undefined;
  return {
    identify: gatewayIdentity({ sessions, tokens, loopback }),
    keySets: () => tokens?.oidc.keySets ?? new Map(),
    close: async () => tokens?.oidc.close(),
  };
}

/** Providers and the session key; `undefined` without `identity.oidc`. @throws {ConfigError} likewise. */
export async function openTokens(
  { oidc, session }: IdentityConfig,
  log: Logger,
): Promise<GatewayIdentityOptions["tokens"]> {
  if (oidc === undefined) return undefined;
  return {
    oidc: await Oidc.open(oidc, (error) =>
      log.error({ err: error }, "an identity provider cannot be reached"),
    ),
    sessionTokens: new SessionTokens(await openSessionKeys(session)),
  };
}
