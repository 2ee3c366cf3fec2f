import type { Principal, Source } from "../recording/events.ts";
import type { ProxyCredential } from "./proxy-authorization.ts";

/** Who is behind a connection, and in which session. */
export interface Identified {
  readonly principal: Principal;
  readonly session: string;
  /** Modulus (base64url) of the session's own placeholder key, RSA-2048 with exponent 65537; absent: it has none. */
  readonly placeholderKey?: string;
}

/** Answers who it is, or `undefined`: then the connection gets 407, and nothing is dialled for it. */
export type Identify = (credential: ProxyCredential | undefined, source: Source) => Identified | undefined;
