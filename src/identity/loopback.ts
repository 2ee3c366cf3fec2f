import { randomBytes } from "node:crypto";
import { BlockList, isIPv6 } from "node:net";
import type { Source } from "../recording/events.ts";
import { uuidv7 } from "../recording/uuid.ts";
import type { Identified, Unidentified } from "./identify.ts";
import { localUser } from "./local-user.ts";
import type { ProxyCredential } from "./proxy-authorization.ts";
import { isTokenSession } from "./session-state.ts";

/** 127.0.0.0/8 and ::1 (RFC 6890), also as IPv4-mapped IPv6. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/** A session's name, as an agent's environment carries it; nothing that some client would have to percent-encode. */
const SESSION = /^[A-Za-z0-9_-]{1,64}$/;

/** A name for a new session. */
export function newSession(): string {
  return `s-${randomBytes(9).toString("base64url")}`;
}

/** {@link loopbackIdentity} knows at once. */
export type IdentifyLoopback = (
  credential: ProxyCredential | undefined,
  source: Source,
) => Identified | Unidentified;

/**
 * Identity without tokens, for one person's machine: whoever connects from loopback is the person that runs the gateway.
 * The proxy password only tells sessions apart; without one, all goes into one session of this run.
 */
export function loopbackIdentity(): IdentifyLoopback {
  const user = localUser();
  const principal = { subject: `local:${user}`, user, groups: [] };
  const unnamed = `local-${uuidv7()}`;
  return (credential, source) => {
    if (!isLoopback(source.address)) return { refused: "not-loopback" };
    if (credential === undefined) return { principal, session: unnamed };
    const { secret } = credential;
    // Nobody puts what they do under the name of a session that a token has to prove.
    const named = SESSION.test(secret) && !isTokenSession(secret);
    return named ? { principal, session: secret } : { refused: "session-name" };
  };
}
