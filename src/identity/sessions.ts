import type { Identified, Unidentified } from "./identify.ts";
import { LiveSession } from "./live-session.ts";
import {
  closedBecause,
  isSame,
  merge,
  overBecause,
  principalOf,
  type SessionState,
} from "./session-state.ts";

/** What became known of sessions. */
export interface SessionUpdate {
  readonly states: readonly SessionState[];
  /** Whether all that is known of sessions was read at least once; until then, which are revoked is not known. */
  readonly read: boolean;
}

/** Milliseconds between two looks at which sessions are over by time alone. */
const LOOK = 500;
/** Of the idle limit: as precisely as gateways tell each other when a session was in use. */
const SEEN_STEP = 1 / 12;

export interface SessionsOptions {
  /** Milliseconds without use after which a session is over. */
  readonly idle: number;
  /** Told which sessions were in use, and which are new. */
  readonly onSeen: (states: readonly SessionState[]) => void;
}

/**
 * Sessions as one relay sees them: what was told of each, and what runs here in its name. A session that is over is refused
 * from then on, and what runs for it is ended.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #states = new Map<string, SessionState>();
  readonly #live = new Map<string, LiveSession>();
  readonly #timer: NodeJS.Timeout;
  /** When the use of a session was told last. */
  readonly #told = new Map<string, number>();
  #read = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK).unref();
  }

  /** Takes what became known; what is over is cut at once. */
  apply({ states, read }: SessionUpdate): void {
    for (const state of states) this.#keep(state);
    this.#read ||= read;
  }

  /** What is known of the session that a token names, if it may be used. */
  admit(claimed: SessionState): SessionState | Unidentified {
    if (!this.#read) return { refused: "sessions-unread" };
    const known = this.#states.get(claimed.id);
    const state = known === undefined ? claimed : merge(known, claimed);
    const over = overBecause(state, Date.now(), this.#options.idle);
    return over === undefined ? state : { refused: over };
  }

  /** Begins to work for a session; each connection once, until {@link LiveSession.leave}. */
  join({ session, principal, state }: Identified): LiveSession {
    if (state !== undefined) this.#keep(state);
    let live = this.#live.get(session);
    if (live === undefined) {
      live = new LiveSession(principal, () => this.#live.delete(session));
      this.#live.set(session, live);
    }
    live.join();
    return live;
  }

  /** Sessions that something here works for. */
  get live(): number {
    return this.#live.size;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #keep(state: SessionState): void {
    const known = this.#states.get(state.id);
    const merged = known === undefined ? state : merge(known, state);
    if (known !== undefined && isSame(known, merged)) return;
    this.#states.set(state.id, merged);
    const live = this.#live.get(state.id);
    if (live === undefined) return;
    if (merged.state !== "active") live.end(closedBecause(merged));
    else live.principal = principalOf(merged);
  }

  #look(): void {
    const now = Date.now();
    const { idle, onSeen } = this.#options;
    const seen: SessionState[] = [];
    for (const [id, live] of this.#live) {
      const known = this.#states.get(id);
      if (known === undefined) continue;
      const seenAt = live.usedAt(now);
      const state = seenAt > (known.seenAt ?? 0) ? { ...known, seenAt } : known;
      if (state !== known) this.#states.set(id, state);
      const over = overBecause(state, now, idle);
      if (over !== undefined) {
        live.end(over);
        continue;
      }
      if (seenAt - (this.#told.get(id) ?? Number.NEGATIVE_INFINITY) < idle * SEEN_STEP) continue;
      this.#told.set(id, seenAt);
      seen.push(state);
    }
    if (seen.length > 0) onSeen(seen);
    this.#forget(now);
  }

  /** The next look at what can be forgotten: tokens that have expired are refused without it. */
  #forgetAt = 0;

  #forget(now: number): void {
    if (now < this.#forgetAt) return;
    this.#forgetAt = now + 60_000;
    for (const [id, { expiresAt }] of this.#states) {
      if (expiresAt > now || this.#live.has(id)) continue;
      this.#states.delete(id);
      this.#told.delete(id);
    }
  }
}
