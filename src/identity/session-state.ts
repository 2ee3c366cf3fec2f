import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { Principal } from "../recording/events.ts";
import type { IdToken } from "./oidc/issuer.ts";

/*
 * What is known of a session, as all gateways share it. States are merged, never replaced, so that they may arrive in any
 * order and any number of times.
 */

export interface SessionState {
  readonly id: string;
  readonly state: "active" | "ended" | "revoked";
  readonly issuer: string;
  readonly subject: string;
  readonly user: string;
  readonly groups: readonly string[];
  /** What the agent is called, and what it is for, by whoever opened the session. */
  readonly agent?: string;
  readonly purpose?: string;
  /** Milliseconds since the Unix epoch, like all times here. */
  readonly startedAt: number;
  /** The hard end. */
  readonly expiresAt: number;
  /** Milliseconds within which it has to be renewed, each time; absent: never. */
  readonly renewal?: number;
  /** When it was renewed last; groups are as of then. */
  readonly renewedAt?: number;
  /** When the ID token was made that its groups are of. */
  readonly provenAt?: number;
  /** When it was in use last, known to within a twelfth of the idle limit. */
  readonly seenAt?: number;
  /** Why it is over. */
  readonly because?: string;
}

const schema = z.object({
  id: z.string().min(1).max(128),
  state: z.enum(["active", "ended", "revoked"]),
  issuer: z.string(),
  subject: z.string(),
  user: z.string(),
  groups: z.array(z.string()),
  agent: z.string().exactOptional(),
  purpose: z.string().exactOptional(),
  startedAt: z.number(),
  expiresAt: z.number(),
  renewal: z.number().exactOptional(),
  renewedAt: z.number().exactOptional(),
  provenAt: z.number().exactOptional(),
  seenAt: z.number().exactOptional(),
  because: z.string().exactOptional(),
});

/** Reads what another gateway, or an earlier run, wrote; `undefined` when it is no state. */
export function parseSessionState(json: string): SessionState | undefined {
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

/** Sessions that were opened, and those that are one ID token's: by how their ids begin. */
const OPENED = "o-";
const OF_ID_TOKEN = "j-";

export function isTokenSession(id: string): boolean {
  return id.startsWith(OPENED) || id.startsWith(OF_ID_TOKEN);
}

/** An id for a session that is opened now. */
export function newSessionId(): string {
  return OPENED + randomBytes(12).toString("base64url");
}

/** The session of an ID token that an agent presents itself: it runs as long as the token, and as no other. */
export function sessionOfIdToken({ id, issuer, subject, user, groups, expiresAt }: IdToken): SessionState {
  const startedAt = Date.now();
  return {
    ...{ id: OF_ID_TOKEN + id, state: "active", issuer, subject, user, groups },
    ...{ startedAt, seenAt: startedAt, expiresAt },
  };
}

/** Why a session is over. */
export const OVER_REASONS = ["revoked", "ended", "expired", "not-renewed", "idle"] as const;
export type Over = (typeof OVER_REASONS)[number];

/**
 * `undefined` when it is not over.
 *
 * @param idle milliseconds without use after which a session is over.
 */
export function overBecause(state: SessionState, now: number, idle: number): Over | undefined {
  if (state.state !== "active") return state.state;
  if (now >= state.expiresAt) return "expired";
  if (now >= renewBefore(state)) return "not-renewed";
  // An ID token is short-lived, and whoever has it could not have it start again.
  if (state.id.startsWith(OF_ID_TOKEN)) return undefined;
  return now - (state.seenAt ?? state.startedAt) > idle ? "idle" : undefined;
}

/** Why a session is over that is not active any more: of one whose time was up, which time. */
export function closedBecause({ state, because }: SessionState): Over {
  if (state !== "ended") return "revoked";
  return because === "expired" || because === "not-renewed" || because === "idle" ? because : "ended";
}

/** When it has to be renewed; its hard end, if it need not be. */
export function renewBefore({ startedAt, renewedAt, renewal, expiresAt }: SessionState): number {
  return renewal === undefined ? expiresAt : Math.min(expiresAt, (renewedAt ?? startedAt) + renewal);
}

/**
 * Both of what is known of a session. What is over stays over, whatever comes late; of two renewals the later one counts; the
 * hard end is never put off.
 */
export function merge(a: SessionState, b: SessionState): SessionState {
  const [over, other] = rank(b) > rank(a) ? [b, a] : [a, b];
  const renewed = (a.renewedAt ?? 0) >= (b.renewedAt ?? 0) ? a : b;
  const renewedAt = later(a.renewedAt, b.renewedAt);
  const provenAt = later(a.provenAt, b.provenAt);
  const seenAt = later(a.seenAt, b.seenAt);
  return {
    ...other,
    ...over,
    startedAt: Math.min(a.startedAt, b.startedAt),
    user: renewed.user,
    groups: renewed.groups,
    expiresAt: Math.min(a.expiresAt, b.expiresAt),
    ...(renewedAt !== undefined && { renewedAt }),
    ...(provenAt !== undefined && { provenAt }),
    ...(seenAt !== undefined && { seenAt }),
  };
}

export function principalOf({ issuer, subject, user, groups }: SessionState): Principal {
  return { issuer, subject, user, groups };
}

function rank({ state }: SessionState): number {
  return state === "revoked" ? 2 : state === "ended" ? 1 : 0;
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

/** Whether two states say the same. */
export function isSame(a: SessionState, b: SessionState): boolean {
  return (
    a.state === b.state &&
    a.renewedAt === b.renewedAt &&
    a.seenAt === b.seenAt &&
    a.expiresAt === b.expiresAt &&
    a.because === b.because
  );
}
