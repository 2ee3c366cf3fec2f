import type { RetentionConfig } from "../../config/archive.ts";
import type { ArchiveStore, Keeping } from "../store.ts";
import { begun, type Due, due, oldestFirst } from "./due.ts";
import { usualLimits } from "./limits.ts";
import { keepNotice, type NoticeSigner, type Retired, type RetiredSessions, withOneMore } from "./notices.ts";
import { Redaction } from "./redact.ts";
import { Retirement } from "./retire.ts";
import { OwnRetirement } from "./retire-own.ts";
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

/** Sessions that one notice names: it is written and signed anew for each of them. */
const NAMED = 100;

/** Of what was begun before, the reason stands in its notice. */
type DueBecause = Due & { readonly because: Retired["because"] | undefined };

interface Job {
  readonly due: DueBecause;
  readonly work: Redaction | Retirement;
  /** Whether its first step was done, and its notice is there. */
  hasBegun: boolean;
}

/** Retires what was kept as long as the rules say, then the oldest, while the archive is larger than it may be. */
export class Sweep {
  readonly #store: ArchiveStore;
  readonly #options: SweepOptions;
  readonly #now: number;
  readonly #due: Generator<DueBecause>;
  readonly #retired = new Map<string, Retired>();
  readonly #notices = new Map<string, { id: number; notice: RetiredSessions }>();
  #current: Job | undefined;
  #own: OwnRetirement | undefined;

  constructor(store: ArchiveStore, options: SweepOptions) {
    this.#store = store;
    this.#options = options;
    this.#now = options.now ?? Date.now();
    this.#due = this.#allDue();
    const before =
      this.#now -
      (options.retention === undefined ? Number.POSITIVE_INFINITY : usualLimits(options.retention).events);
    if (before !== Number.NEGATIVE_INFINITY)
      this.#own = new OwnRetirement({ before, time: this.#now, signer: options.signer });
  }

  /** Retires some more, in one short transaction; false when nothing is left to do. */
  step(): boolean {
    this.#current ??= this.#next();
    const job = this.#current;
    if (job === undefined) return this.#stepWithoutSession();
    const isDone = this.#store.maintain((keeping) => {
      if (!job.hasBegun && !this.#begin(keeping, job.due)) return true;
      return job.work.step(keeping, within(STEP));
    });
    job.hasBegun = true;
    if (isDone) this.#current = undefined;
    return true;
  }

  /** What has been retired so far. */
  get retired(): readonly Retired[] {
    return [...this.#retired.values()];
  }

  #next(): Job | undefined {
    const { done, value } = this.#due.next();
    if (done === true) return undefined;
    const { what, session } = value;
    const work = what === "sessions" ? new Retirement(session) : new Redaction(session);
    return { due: value, work, hasBegun: false };
  }

  *#allDue(): Generator<DueBecause> {
    const { retention, maxBytes } = this.#options;
    const { database } = this.#store;
    for (const each of begun(database)) yield { ...each, because: undefined };
    if (retention !== undefined) {
      for (const each of due(database, retention, this.#now)) yield { ...each, because: "age" };
    }
    if (maxBytes === undefined || usedBytes(database) <= maxBytes) return;
    for (const each of oldestFirst(database, this.#now - YOUNG)) {
      yield { ...each, because: "budget" };
      if (usedBytes(database) < maxBytes * SHRINK_TO) return;
    }
  }

  #stepWithoutSession(): boolean {
    const own = this.#own;
    if (own === undefined) return false;
    if (this.#store.maintain((keeping) => own.step(keeping, within(STEP)))) this.#own = undefined;
    return true;
  }

  /**
   * The first step leaves the notice, and the mark by which the rest is found: from then on a part may be gone, and what is half
   * gone is nobody's evidence.
   *
   * @returns false when it may not be retired any more: it may be held, gone or active again since it was found.
   */
  #begin({ database, keys }: Keeping, due: DueBecause): boolean {
    const { session, what, lastActivity, because } = due;
    const row = database
      .prepare("SELECT held, last_activity, retiring FROM sessions WHERE id = ?")
      .get(session);
    if (row === undefined) return false;
    if (because === undefined) return row.retiring === what;
    if (row.held !== null || row.last_activity !== lastActivity || row.retiring !== null) return false;
    database.prepare("UPDATE sessions SET retiring = ? WHERE id = ?").run(what, session);
    this.#note({ database, keys }, due, because);
    return true;
  }

  #note(keeping: Keeping, due: Due, because: Retired["because"]): void {
    const kind = `${due.what} ${because}`;
    this.#retired.set(kind, withOneMore(this.#retired.get(kind), because, due, this.#now));
    const kept = this.#notices.get(kind);
    const last = kept !== undefined && kept.notice.ids.length < NAMED ? kept : undefined;
    const ids = [...(last?.notice.ids ?? []), due.session];
    const notice = { ...withOneMore(last?.notice, because, due, this.#now), ids };
    const id = keepNotice(keeping, notice, { signer: this.#options.signer, id: last?.id });
    this.#notices.set(kind, { id, notice });
  }
}

function within({ time, pieces }: typeof STEP): () => boolean {
  const end = performance.now() + time;
  let left = pieces;
  return () => --left > 0 && performance.now() < end;
}
