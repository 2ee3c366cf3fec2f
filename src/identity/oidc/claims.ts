import type { JWTPayload } from "jose";
import { isOneLine } from "../one-line.ts";
import type { ClaimReason } from "../reasons.ts";

/** Characters of a subject (OpenID Connect Core 1.0, section 2), an e-mail address (RFC 5321), and of one group's name. */
const MAX_SUBJECT = 255;
const MAX_USER = 320;
const MAX_GROUP = 256;
/** Groups of one person, and their characters: they go into the session token, and so into headers. */
const MAX_GROUPS = 200;
const MAX_GROUPS_LENGTH = 4_096;

/** A claim that cannot be used. */
export class ClaimError extends Error {
  override readonly name = "ClaimError";
  readonly reason: ClaimReason;

  constructor(reason: ClaimReason) {
    super(`the claims are refused (${reason})`);
    this.reason = reason;
  }
}

/** @throws {ClaimError} */
export function subjectOf({ sub }: JWTPayload): string {
  if (typeof sub !== "string" || !isName(sub, MAX_SUBJECT)) throw new ClaimError("subject");
  return sub;
}

/**
 * Who a person is, for people to read: the claim that is configured, else `preferred_username`, else the subject. An address
 * that the provider has not verified is what somebody wrote into a form; a user name that looks like one is no better then.
 */
export function userOf(claims: JWTPayload, userClaim: string): string {
  const unverified = claims.email_verified !== undefined && String(claims.email_verified) !== "true";
  for (const name of [userClaim, "preferred_username"]) {
    const value = claims[name];
    if (typeof value !== "string" || !isName(value, MAX_USER)) continue;
    if (unverified && (name === "email" || value.includes("@"))) continue;
    return value;
  }
  return subjectOf(claims);
}

/**
 * The groups, at a path of the claims: an array of names, or a string with one name or several between spaces or commas.
 * Absent: none.
 *
 * @throws {ClaimError} when it is something else, or there are too many: to leave some out could be to leave out one that a
 *   rule denies something to.
 */
export function groupsOf(claims: JWTPayload, path: readonly string[]): readonly string[] {
  const found = at(claims, path);
  if (found === undefined || found === null) return [];
  const groups = typeof found === "string" ? found.split(/[\s,]+/).filter((name) => name !== "") : found;
  if (!Array.isArray(groups) || groups.length > MAX_GROUPS) throw new ClaimError("groups");
  let length = 0;
  for (const group of groups) {
    if (typeof group !== "string" || !isName(group, MAX_GROUP)) throw new ClaimError("groups");
    length += group.length;
  }
  if (length > MAX_GROUPS_LENGTH) throw new ClaimError("groups");
  return [...new Set<string>(groups)];
}

/** Whether a claim, or one of a list that it is, has one of these values. */
export function hasValue(claims: JWTPayload, path: readonly string[], values: readonly string[]): boolean {
  const found = at(claims, path);
  const said: readonly unknown[] = Array.isArray(found) ? found : [found];
  return said.some((value) => typeof value === "string" && values.includes(value));
}

function at(claims: JWTPayload, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function isName(value: string, longest: number): boolean {
  return value !== "" && value.length <= longest && isOneLine(value);
}
