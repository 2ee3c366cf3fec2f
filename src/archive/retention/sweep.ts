import type { RetentionConfig } from "../../config/archive.ts";
import type { ArchiveStore, Keeping } from "../store.ts";
import { type Due, due, oldestFirst } from "./due.ts";
import { usualLimits } from "./limits.ts";
import { keepNotice, type NoticeSigner, type Retired, withOneMore } from "./notices.ts";
import { Redaction } from "./redact.ts";
import { Retirement, retireWithoutSession } from "./retire.ts";
import { usedBytes } from "./size.ts";

export interface SweepOptions {
  readonly retention?: RetentionConfig | undefined;
  /** Bytes of the archive at most. */
  readonly maxBytes?: number | undefined;
  /** Default: the clock's. */
  readonly now?: number;
  /** Default: notices are not signed. */
  readonly signer?: NoticeSigner;
}

/**
 * What a step does at most, so that nobody else has to wait for 50 ms to write: milliseconds of work, and rows or blocks. Of
 * texts that go most is done by the commit, which takes words out of the index: 0.2 ms for a statement's.
 */
const STEP = { time: 15, pieces: 100 };

/** How far the archive shrinks once it is larger than it may be. */
const SHRINK_TO = 0.9;

/** What was active so many milliseconds ago may go on: it is not retired for want of room. */
const YOUNG = 3_600_000;

type DueBecause = Due & { readonly because: Retired["because"] };

interface Job {
  readonly due: DueBecause;
  readonly work: Redaction | Retirement;
}

/** Retires what was kept as long as the rules say, then the oldest, while the archive is larger than it may be. */
export class Sweep {
  readonly #store: ArchiveStore;
  readonly #options: SweepOptions;
  readonly #now: number;
  readonly #due: Generator<DueBecause>;
  readonly #notices = new Map<string, { id: number; notice: Retired }>();
  #current: Job | undefined;
  #isStrayDone: boolean;

  constructor(store: ArchiveStore, options: SweepOptions) {
    this.#store = store;
    this.#options = options;
    this.#now = options.now ?? Date.now();
    this.#due = this.#allDue();
    this.#isStrayDone = options.retention === undefined;
  }

  /** Retires some more, in one short transaction; false when nothing is left to do. */
  step(): boolean {
    this.#current ??= this.#next();
    if (this.#current === undefined) return this.#stepWithoutSession();
    const { due: current, work } = this.#current;
    const isDone = this.#store.maintain((keeping) => {
      if (!isStillDue(keeping, current)) return true;
      if (!work.step(keeping, within(STEP))) return false;
      this.#note(keeping, current);
      return true;
    });
    if (isDone) this.#current = undefined;
    return true;
  }

  /** What has been retired so far. */
  get retired(): readonly Retired[] {
    return [...this.#notices.values()].map(({ notice }) => notice);
  }

  #next(): Job | undefined {
    const { done, value } = this.#due.next();
    if (done === true) return undefined;
    const { what, session } = value;
    return { due: value, work: what === "sessions" ? new Retirement(session) : new Redaction(session) };
  }

  *#allDue(): Generator<DueBecause> {
    const { retention, maxBytes } = this.#options;
    const { database } = this.#store;
    if (retention !== undefined) {
      for (const each of due(database, retention, this.#now)) yield { ...each, because: "age" as const };
    }
    if (maxBytes === undefined || usedBytes(database) <= maxBytes) return;
    for (const each of oldestFirst(database, this.#now - YOUNG)) {
      yield { ...each, because: "budget" as const };
      if (usedBytes(database) < maxBytes * SHRINK_TO) return;
    }
  }

  #stepWithoutSession(): boolean {
    const { retention } = this.#options;
    if (this.#isStrayDone || retention === undefined) return false;
    const before = this.#now - usualLimits(retention).events;
    this.#isStrayDone =
      before === Number.NEGATIVE_INFINITY ||
      this.#store.maintain((keeping) => retireWithoutSession(keeping, before, within(STEP)));
    return !this.#isStrayDone;
  }

  /** One notice of each kind for all that this sweep retires. */
  #note(keeping: Keeping, current: DueBecause): void {
    const kind = `${current.what} ${current.because}`;
    const kept = this.#notices.get(kind);
    const notice = withOneMore(kept?.notice, current.because, current, this.#now);
    const id = keepNotice(keeping, notice, { signer: this.#options.signer, id: kept?.id });
    this.#notices.set(kind, { id, notice });
  }
}

/** It may be held, gone or active again since it was found. */
function isStillDue({ database }: Keeping, { session, lastActivity }: Due): boolean {
  const row = database.prepare("SELECT held, last_activity FROM sessions WHERE id = ?").get(session);
  return row !== undefined && row.held === null && row.last_activity === lastActivity;
}

function within({ time, pieces }: typeof STEP): () => boolean {
  const end = performance.now() + time;
  let left = pieces;
  return () => --left > 0 && performance.now() < end;
}
