import type { Principal } from "../../recording/events.ts";
import { BOUNDS } from "./asked.ts";
import { cutList, jsonLength, short } from "./text.ts";

/** Sessions whose principals are remembered; beyond these, those that rested longest are forgotten. */
const MAX_SESSIONS = 1_000;
const MAX_GROUPS = 48;
const MAX_GROUPS_BYTES = 2_048;

/** Who a session belongs to, bounded for events; `moreGroups` counts those that were left out. */
export interface KnownPrincipal extends Principal {
  readonly moreGroups?: number;
}

export type KnownSession = readonly [session: string, principal: KnownPrincipal];

/** Who is behind the sessions that are in use: an exchange's own records only name the user. */
export class Sessions {
  /** The one used last comes last. */
  readonly #principals: Map<string, KnownPrincipal>;
  #last: string | undefined;

  /** @param known as {@link known} gave them. */
  constructor(known: readonly KnownSession[] = []) {
    this.#principals = new Map(known);
  }

  begin(session: string, principal: Principal): KnownPrincipal {
    const bounded = bound(principal);
    this.#last = session;
    this.#principals.delete(session);
    this.#principals.set(session, bounded);
    if (this.#principals.size > MAX_SESSIONS) {
      for (const oldest of this.#principals.keys()) {
        this.#principals.delete(oldest);
        break;
      }
    }
    return bounded;
  }

  use(session: string): KnownPrincipal | undefined {
    const principal = this.#principals.get(session);
    // One that was used last already need not be moved: V8's maps keep what went through them alive.
    if (principal === undefined || session === this.#last) return principal;
    this.#last = session;
    this.#principals.delete(session);
    this.#principals.set(session, principal);
    return principal;
  }

  known(): KnownSession[] {
    return [...this.#principals];
  }
}

function bound({ subject, user, groups, issuer }: Principal): KnownPrincipal {
  const kept = cutList(
    groups.slice(0, MAX_GROUPS).map((group) => short(group, BOUNDS.name)),
    MAX_GROUPS,
    MAX_GROUPS_BYTES,
    // As the event has it: {"name":…},
    (group) => jsonLength(group) + 10,
  );
  const more = groups.length - kept.length;
  return {
    subject: short(subject, BOUNDS.name),
    user: short(user, BOUNDS.name),
    groups: kept,
    ...(issuer !== undefined && { issuer: short(issuer, BOUNDS.name) }),
    ...(more > 0 && { moreGroups: more }),
  };
}
