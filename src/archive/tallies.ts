/** What a batch adds to a session's counts. */
export interface Tally {
  exchanges: number;
  statements: number;
  ended: number;
  denied: number;
  incomplete: number;
  bytes: number;
  /** Milliseconds since the Unix epoch. */
  lastActivity: number;
}

/** Sessions' counts, gathered over a batch: a row is written once for each session in it, not for each exchange. */
export class Tallies {
  #bySession = new Map<string, Tally>();

  of(session: string): Tally {
    const known = this.#bySession.get(session);
    if (known !== undefined) return known;
    const tally = {
      ...{ exchanges: 0, statements: 0, ended: 0, denied: 0, incomplete: 0 },
      ...{ bytes: 0, lastActivity: 0 },
    };
    this.#bySession.set(session, tally);
    return tally;
  }

  /** Takes out what was gathered. */
  take(): ReadonlyMap<string, Tally> {
    const taken = this.#bySession;
    if (taken.size > 0) this.#bySession = new Map();
    return taken;
  }
}
