import type { Dispatcher } from "undici";
import type { CredentialConfig } from "../config/credential.ts";
import type { Principal } from "../recording/events.ts";
import type { Credential } from "./credential.ts";
import { openCredential } from "./google.ts";

/** What the gateway shows BigQuery on behalf of each. */
export interface Credentials {
  /** The credential of the first rule that names a group of the principal's, else the one for all, if there is one. */
  of(principal: Principal): Credential | undefined;
  /** All groups that rules name, in their order: whoever is in one of them has a credential. */
  readonly groups: readonly string[];
  /** Each of them. */
  readonly all: readonly Credential[];
}

/**
 * Opens all credentials of the configuration. Each has tokens of its own, so one that fails is nothing to the others.
 *
 * @throws {CredentialError} when one of them cannot be used at all; the message names its key.
 */
export async function openCredentials(
  config: CredentialConfig,
  dispatcher: Dispatcher,
): Promise<Credentials> {
  const [forAll, ...rules] = await Promise.all([
    config.type === "none" ? undefined : openCredential(config, dispatcher, "credential"),
    ...config.groups.map(async (rule, index) => ({
      groups: new Set(rule.groups),
      credential: await openCredential(rule, dispatcher, `credential.groups.${index}`),
    })),
  ]);
  // A principal is the same object for all that comes in one connection, and mostly in one session.
  const known = new WeakMap<Principal, Credential>();
  return {
    all: [...(forAll === undefined ? [] : [forAll]), ...rules.map(({ credential }) => credential)],
    groups: [...new Set(config.groups.flatMap(({ groups }) => groups))],
    of(principal) {
      const before = known.get(principal);
      if (before !== undefined) return before;
      const rule = rules.find(({ groups }) => principal.groups.some((group) => groups.has(group)));
      const credential = rule?.credential ?? forAll;
      if (credential !== undefined) known.set(principal, credential);
      return credential;
    },
  };
}
