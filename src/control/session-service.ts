import { createPublicKey, type KeyObject } from "node:crypto";
import type { IdentityConfig } from "../config/identity.ts";
import type { IdToken } from "../identity/oidc/issuer.ts";
import { RateLimit } from "../identity/rate-limit.ts";
import type { SessionLedger } from "../identity/session-ledger.ts";
import {
  newSessionId,
  overBecause,
  principalOf,
  renewBefore,
  type SessionState,
} from "../identity/session-state.ts";
import type { SessionTokens } from "../identity/session-token.ts";
import type { Principal, RecordedEvent, Source } from "../recording/events.ts";
import { NOTHING_DONE, type SessionCount } from "../recording/session-counts.ts";
import { ApiError, unauthenticated } from "./api-error.ts";

/** Where a request came from. */
export interface Caller {
  readonly source: Source;
  readonly userAgent?: string;
}

export interface NewSession {
  readonly agent?: string;
  readonly purpose?: string;
  /** Seconds; shorter than the configuration's, never longer. */
  readonly maxLength?: number;
  /** SPKI, PEM. */
  readonly publicKey?: string;
}

/** A session as the API shows it; times as RFC 3339. */
export interface SessionView {
  readonly id: string;
  readonly state: SessionState["state"];
  readonly issuer: string;
  readonly subject: string;
  readonly user: string;
  readonly groups: readonly string[];
  readonly agent?: string;
  readonly purpose?: string;
  readonly startedAt: string;
  readonly expiresAt: string;
  readonly renewBefore?: string;
  readonly renewedAt?: string;
  readonly because?: string;
}

export interface SessionServiceOptions {
  readonly identity: IdentityConfig;
  readonly ledger: SessionLedger;
  readonly tokens: SessionTokens;
  /** Resolves when it is durable. */
  readonly record: (event: RecordedEvent) => Promise<void>;
  readonly count: (session: string) => Promise<SessionCount>;
  /** Told of what could not be recorded, and has happened nevertheless. */
  readonly onError: (error: unknown, message: string) => void;
}

/** Sessions that one person may have open at a time. */
const MAX_OPEN = 1_000;
/** Milliseconds that whoever ends a session waits for other gateways to learn it. */
const SHARE_PATIENCE = 2_000;

/** Opens, renews, ends and revokes sessions, for people that have proved who they are. */
export class SessionService {
  readonly #options: SessionServiceOptions;
  readonly #opening = new RateLimit({ burst: 100, perSecond: 5 });

  constructor(options: SessionServiceOptions) {
    this.#options = options;
  }

  /** @returns the session, and its token, which nobody else ever sees. @throws {ApiError} */
  async open(
    person: IdToken,
    asked: NewSession,
    caller: Caller,
  ): Promise<{ session: SessionView; token: string; placeholderKeyId: string | undefined }> {
    const { identity, ledger, tokens } = this.#options;
    this.#ready();
    if (!this.#opening.take(ownerKey(person)))
      throw new ApiError(429, "too-many-requests", "sessions are opened too fast: try again in a minute");
    const open = ledger.list().filter((each) => this.#isOwn(each, person) && this.#over(each) === undefined);
    if (open.length >= MAX_OPEN)
      throw new ApiError(429, "too-many-requests", `you have ${open.length} sessions open: end some first`);
    const placeholderKey = asked.publicKey === undefined ? undefined : modulusOf(asked.publicKey);
    const { maxLength, renewal } = identity.session;
    const length = Math.min(maxLength, (asked.maxLength ?? Number.POSITIVE_INFINITY) * 1000);
    // Tokens have whole seconds.
    const startedAt = Math.floor(Date.now() / 1000) * 1000;
    const state: SessionState = {
      id: newSessionId(),
      state: "active",
      ...{ issuer: person.issuer, subject: person.subject, user: person.user, groups: person.groups },
      ...(asked.agent !== undefined && { agent: asked.agent }),
      ...(asked.purpose !== undefined && { purpose: asked.purpose }),
      ...{ startedAt, seenAt: startedAt, expiresAt: startedAt + length, renewal },
      ...(person.issuedAt !== undefined && { provenAt: person.issuedAt }),
    };
    await this.#recordFirst({
      type: "session.started",
      time: Date.now(),
      session: state.id,
      principal: principalOf(state),
      ...caller,
      ...(asked.agent !== undefined && { agent: asked.agent }),
      ...(asked.purpose !== undefined && { purpose: asked.purpose }),
      expiresAt: state.expiresAt,
    });
    await this.#keep(state);
    const token = tokens.sign({ session: state, ...(placeholderKey !== undefined && { placeholderKey }) });
    return { session: viewOf(state), token, placeholderKeyId: placeholderKey && state.id };
  }

  /** Renews with a fresh ID token of the same person; groups are as that token has them. @throws {ApiError} */
  async renew(person: IdToken, id: string, caller: Caller): Promise<SessionView> {
    const { ledger } = this.#options;
    this.#ready();
    const state = this.#ownOf(person, id);
    this.#mustRun(state);
    // Groups that somebody has lost since must not come back with a token from before.
    if ((person.issuedAt ?? Number.POSITIVE_INFINITY) < (state.provenAt ?? 0)) {
      const message = "this ID token is older than one that the session had before: get a fresh one";
      throw new ApiError(409, "stale-token", message);
    }
    const renewed: SessionState = {
      ...state,
      user: person.user,
      groups: person.groups,
      renewedAt: Date.now(),
      ...(person.issuedAt !== undefined && { provenAt: person.issuedAt }),
    };
    await this.#recordFirst({
      type: "session.renewed",
      time: Date.now(),
      session: id,
      principal: principalOf(renewed),
      ...caller,
      renewBefore: renewBefore(renewed),
    });
    await this.#keep(renewed);
    // It may have been revoked meanwhile.
    const now = ledger.get(id) ?? renewed;
    this.#mustRun(now);
    return viewOf(now);
  }

  /** Ends one's own session. To end what is over already is no error. @throws {ApiError} */
  async end(
    who: IdToken | { readonly session: SessionState },
    id: string,
    caller: Caller,
  ): Promise<{ session: SessionView; summary: SessionCount & { where: string }; shared: boolean }> {
    const { ledger, count } = this.#options;
    this.#ready();
    const state = "session" in who ? (ledger.get(id) ?? asForgotten(who.session)) : this.#ownOf(who, id);
    if ("session" in who && who.session.id !== id) throw unauthenticated();
    const runs = state.state === "active";
    const ended: SessionState = runs ? { ...state, state: "ended", because: "owner" } : state;
    const shared = runs ? await this.#close(ended) : true;
    if (runs) {
      await this.#recordAfter({
        type: "session.ended",
        time: Date.now(),
        session: id,
        principal: principalOf(state),
        ...caller,
        because: "owner",
      });
    }
    const counted = await count(id).catch(() => NOTHING_DONE);
    const summary = { ...counted, where: `bqtape replay ${id}` };
    return { session: viewOf(ledger.get(id) ?? ended), summary, shared };
  }

  /** Takes a session away: one's own, or as an admin anybody's. @throws {ApiError} */
  async revoke(
    person: IdToken,
    id: string,
    because: string,
    caller: Caller,
  ): Promise<{ session: SessionView; shared: boolean }> {
    const { ledger } = this.#options;
    this.#ready();
    const state = this.hasRole(person, "admin") ? ledger.get(id) : this.#ownOf(person, id);
    if (state === undefined) throw noSuchSession();
    const revoked: SessionState = { ...state, state: "revoked", because };
    const shared = state.state === "revoked" ? true : await this.#close(revoked);
    if (state.state !== "revoked") {
      const { issuer, subject, user, groups } = person;
      await this.#recordAfter({
        type: "session.revoked",
        time: Date.now(),
        session: id,
        principal: principalOf(state),
        ...caller,
        because,
        by: { issuer, subject, user, groups },
      });
    }
    return { session: viewOf(ledger.get(id) ?? revoked), shared };
  }

  /** One's own sessions; for admins and auditors all. The newest first. */
  list(person: IdToken): SessionView[] {
    this.#ready();
    const all = this.hasRole(person, "admin") || this.hasRole(person, "auditor");
    return this.#options.ledger
      .list()
      .filter((state) => all || this.#isOwn(state, person))
      .sort((a, b) => b.startedAt - a.startedAt)
      .map((state) => {
        const over = this.#over(state);
        const view = viewOf(state);
        // Its time is up, and nobody has written that down yet.
        return over === undefined || state.state !== "active"
          ? view
          : { ...view, state: "ended" as const, because: over };
      });
  }

  hasRole({ groups }: Pick<Principal, "groups">, role: keyof IdentityConfig["roles"]): boolean {
    const wanted = this.#options.identity.roles[role];
    return groups.some((group) => wanted.includes(group));
  }

  /** Puts it in force at once, on the disk, and before other gateways; whether these have it is told. */
  async #close(state: SessionState): Promise<boolean> {
    let shared: Promise<void>;
    try {
      ({ shared } = await this.#options.ledger.put(state));
    } catch (error) {
      this.#options.onError(error, "a session's end is in force, but cannot be kept");
      const message = "the session is cut, but this could not be written down: the operator finds the reason";
      throw new ApiError(503, "unavailable", message, { cause: error });
    }
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), SHARE_PATIENCE);
    const done = await Promise.race([shared.then(() => true), late]);
    clearTimeout(timer);
    return done;
  }

  /** What cannot be recorded does not happen. @throws {ApiError} */
  async #recordFirst(event: RecordedEvent): Promise<void> {
    await this.#orUnavailable(this.#options.record(event), `${event.type} cannot be recorded`);
  }

  /** @throws {ApiError} */
  async #keep(state: SessionState): Promise<void> {
    await this.#orUnavailable(this.#options.ledger.put(state), "a session's state cannot be kept");
  }

  async #orUnavailable(work: Promise<unknown>, message: string): Promise<void> {
    try {
      await work;
    } catch (cause) {
      this.#options.onError(cause, message);
      const told = "this cannot be recorded now, so it was not done; it may be tried again";
      throw new ApiError(503, "unavailable", told, { cause });
    }
  }

  /** A session that is over is over, also where that cannot be recorded now. */
  async #recordAfter(event: RecordedEvent): Promise<void> {
    try {
      await this.#options.record(event);
    } catch (error) {
      this.#options.onError(error, `${event.type} cannot be recorded`);
    }
  }

  /** Whose session is not one's own does not exist. */
  #ownOf(person: IdToken, id: string): SessionState {
    const state = this.#options.ledger.get(id);
    if (state === undefined || !this.#isOwn(state, person)) throw noSuchSession();
    return state;
  }

  #isOwn(state: SessionState, { issuer, subject }: IdToken): boolean {
    return state.issuer === issuer && state.subject === subject;
  }

  #over(state: SessionState) {
    return overBecause(state, Date.now(), this.#options.identity.session.idle);
  }

  #mustRun(state: SessionState): void {
    const over = this.#over(state);
    if (over !== undefined)
      throw new ApiError(409, "session-over", `this session is over (${over}): open another`);
  }

  #ready(): void {
    if (this.#options.ledger.read) return;
    throw new ApiError(
      503,
      "not-ready",
      "the gateway has not read yet which sessions are revoked: try again",
    );
  }
}

/** A session that the ledger does not have, by its token: once its time is up, that was recorded, and forgotten. */
function asForgotten(session: SessionState): SessionState {
  return session.expiresAt > Date.now() ? session : { ...session, state: "ended", because: "expired" };
}

function noSuchSession(): ApiError {
  return new ApiError(404, "not-found", "you have no session of this id");
}

function ownerKey({ issuer, subject }: IdToken): string {
  return `${issuer} ${subject}`;
}

/** The modulus of an RSA-2048 key, base64url. @throws {ApiError} */
function modulusOf(pem: string): string {
  let key: KeyObject | undefined;
  try {
    // Of a private key Node would take the public half, and nobody would learn that it was sent.
    if (pem.includes("BEGIN PUBLIC KEY")) key = createPublicKey({ key: pem, format: "pem" });
  } catch {
    // Whatever was wrong with it, it is not what was asked for.
  }
  const details = key?.asymmetricKeyDetails;
  const { n } = key?.asymmetricKeyType === "rsa" ? key.export({ format: "jwk" }) : {};
  if (details?.modulusLength !== 2048 || details.publicExponent !== 65_537n || n === undefined)
    throw new ApiError(
      400,
      "invalid",
      "publicKey: expected an RSA key of 2048 bits and exponent 65537, SPKI in PEM",
    );
  return n;
}

export function viewOf(state: SessionState): SessionView {
  const { id, issuer, subject, user, groups, agent, purpose, renewedAt, because } = state;
  return {
    ...{ id, state: state.state, issuer, subject, user, groups },
    ...(agent !== undefined && { agent }),
    ...(purpose !== undefined && { purpose }),
    startedAt: time(state.startedAt),
    expiresAt: time(state.expiresAt),
    ...(state.renewal !== undefined && { renewBefore: time(renewBefore(state)) }),
    ...(renewedAt !== undefined && { renewedAt: time(renewedAt) }),
    ...(because !== undefined && { because }),
  };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
