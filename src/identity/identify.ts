import type { Principal, Source } from "../recording/events.ts";
import type { ProxyCredential } from "./proxy-authorization.ts";
import type { IdentityReason } from "./reasons.ts";
import type { SessionState } from "./session-state.ts";

/** Who is behind a connection, and in which session. */
export interface Identified {
  readonly principal: Principal;
  readonly session: string;
  /** What the agent is called, and what it is for, as the session was opened. */
  readonly agent?: string;
  readonly purpose?: string;
  /** Modulus (base64url) of the session's own placeholder key, RSA-2048 with exponent 65537; absent: it has none. */
  readonly placeholderKey?: string;
  /** What the session's end depends on; absent of loopback sessions, which have none. */
  readonly state?: SessionState;
}

/** Nobody who is known. The reason is for the recording: whoever asked is told the same for every reason. */
export interface Unidentified {
  readonly refused: IdentityReason;
}

/**
 * Answers who it is, or why that is not known: then the connection gets 407, and nothing is dialled for it. At once, unless a
 * provider's signature has to be verified first.
 */
export type Identify = (
  credential: ProxyCredential | undefined,
  source: Source,
) => Identified | Unidentified | Promise<Identified | Unidentified>;
