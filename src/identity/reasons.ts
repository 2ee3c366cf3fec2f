import type { Over } from "./session-state.ts";

/** Why a token's claims are not enough. */
export const CLAIM_REASONS = [
  "subject",
  "groups",
  "required-claim",
  "issued-later",
  "access-token",
  "authorized-party",
] as const;
export type ClaimReason = (typeof CLAIM_REASONS)[number];

/** Why it is not known who asks, as recordings and metrics have it; docs/reference/errors.md tells of each. */
export const IDENTITY_REASONS = [
  "no-credential",
  "no-token",
  "not-loopback",
  "session-name",
  "session-token",
  "sessions-unread",
  "too-long",
  "malformed",
  "unknown-issuer",
  "busy",
  "keys-unavailable",
  "unknown-key",
  "algorithm",
  "signature",
  "expired",
  ...CLAIM_REASONS,
] as const;

/** Or why a session is over, or the registered claim (RFC 7519, section 4.1) that is not as it has to be. */
export type IdentityReason = (typeof IDENTITY_REASONS)[number] | Over | `claim-${string}`;
