import type { EndedExchange } from "./recorder.ts";

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

/** Sessions that are counted; beyond these, those that rested longest are forgotten, so many at a time. */
const MAX_SESSIONS = 10_000;
const FORGOTTEN = MAX_SESSIONS / 10;

interface Count {
  statements: number;
  exchanges: number;
  request: number;
  response: number;
  denied: number;
  /** Number of the exchange, of all, that was the session's last. */
  last: number;
}

/** Counts what relays do by session, for whoever ends one; the recording tells it in full. */
export class SessionCounts {
  /** Changes with each new session, not with each exchange: V8's maps keep what went through them alive. */
  readonly #counts = new Map<string, Count>();
  #exchanges = 0;

  add({ end, statement }: EndedExchange): void {
    const { session = "" } = end;
    let count = this.#counts.get(session);
    if (count === undefined) {
      count = { statements: 0, exchanges: 0, request: 0, response: 0, denied: 0, last: 0 };
      this.#counts.set(session, count);
      if (this.#counts.size > MAX_SESSIONS) this.#forget();
    }
    if (statement) count.statements += 1;
    if (end.outcome === "denied") count.denied += 1;
    count.exchanges += 1;
    count.request += end.request.bytes;
    count.response += end.response.bytes;
    this.#exchanges += 1;
    count.last = this.#exchanges;
  }

  of(session: string): SessionCount {
    const count = this.#counts.get(session);
    if (count === undefined) return NOTHING_DONE;
    const { statements, exchanges, request, response, denied } = count;
    return { statements, exchanges, bytes: { request, response }, denied, masked: 0 };
  }

  #forget(): void {
    const byRest = [...this.#counts]
      .filter(([, { last }]) => last > 0)
      .sort(([, a], [, b]) => a.last - b.last);
    for (const [session] of byRest.slice(0, FORGOTTEN)) this.#counts.delete(session);
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
