import { Lru } from "../identity/lru.ts";
import type { EndedExchange } from "../recording/recorder.ts";

/** What was done in a session; bytes are of bodies, and of tunnels. */
export interface SessionCount {
  readonly statements: number;
  readonly exchanges: number;
  readonly bytes: { readonly request: number; readonly response: number };
  /** Exchanges that were refused. */
  readonly denied: number;
  /** Exchanges whose answers were masked. */
  readonly masked: number;
}

export const NOTHING_DONE: SessionCount = {
  statements: 0,
  exchanges: 0,
  bytes: { request: 0, response: 0 },
  denied: 0,
  masked: 0,
};

/** Sessions that are counted; beyond these, those that rested longest are forgotten. */
const MAX_SESSIONS = 10_000;

/** Counts what relays do by session, for whoever ends one; the recording tells it in full. */
export class SessionCounts {
  readonly #counts = new Lru<string, SessionCount>(MAX_SESSIONS);

  add({ session, statement, denied, request, response }: EndedExchange): void {
    const one: SessionCount = {
      statements: statement ? 1 : 0,
      exchanges: 1,
      bytes: { request, response },
      denied: denied ? 1 : 0,
      masked: 0,
    };
    this.#counts.set(session, sum(this.of(session), one));
  }

  of(session: string): SessionCount {
    return this.#counts.get(session) ?? NOTHING_DONE;
  }
}

export function sum(a: SessionCount, b: SessionCount): SessionCount {
  return {
    statements: a.statements + b.statements,
    exchanges: a.exchanges + b.exchanges,
    bytes: {
      request: a.bytes.request + b.bytes.request,
      response: a.bytes.response + b.bytes.response,
    },
    denied: a.denied + b.denied,
    masked: a.masked + b.masked,
  };
}
