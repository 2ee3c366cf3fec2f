import { randomBytes } from "node:crypto";
import { BlockList, isIPv6 } from "node:net";
import { userInfo } from "node:os";
import { uuidv7 } from "../recording/uuid.ts";
import type { Identify } from "./identify.ts";

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

/**
 * Identity without tokens, for one person's machine: whoever connects from loopback is the person that runs the gateway.
 * The proxy password only tells sessions apart; without one, all goes into one session of this run.
 */
export function loopbackIdentity(): Identify {
  const user = userInfo().username;
  const principal = { subject: `local:${user}`, user, groups: [] };
  const unnamed = `local-${uuidv7()}`;
  return (credential, source) => {
    if (!isLoopback(source.address)) return undefined;
    if (credential === undefined) return { principal, session: unnamed };
    return SESSION.test(credential.secret) ? { principal, session: credential.secret } : undefined;
  };
}
