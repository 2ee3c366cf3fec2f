import type { Decision } from "./decide.ts";

/** Groups that a refusal names at most. */
const MAX_NAMED = 20;

/**
 * Ruled of whoever is in no group that has a credential, where there is none for all. Says which groups would do, and nothing
 * of the accounts behind them.
 */
export function noCredential(groups: readonly string[]): Decision {
  const named = groups.slice(0, MAX_NAMED).join(", ");
  const more = groups.length > MAX_NAMED ? ` and ${groups.length - MAX_NAMED} more` : "";
  const message = `BigQuery is open to members of ${named}${more} here, and you are in none of these groups; ask whoever runs them`;
  const refusal = { status: 403, reason: "accessDenied", message } as const;
  return { effect: "deny", rule: "credential.groups", reason: message, refusal };
}
