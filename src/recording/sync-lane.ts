import { setImmediate } from "node:timers/promises";
import { JournalError } from "./errors.ts";
import { Pace } from "./pace.ts";
import { Waiters } from "./waiters.ts";
import type { LaneJournal, WriteLane } from "./write-lane.ts";

/** Milliseconds of a sync that say that the disk is slow now. */
const SLOW_SYNC = 2;
/** Milliseconds that a sync waits at most for more to share it. */
const MAX_GATHERING = 2;

const DONE = Promise.resolve();

/** Makes what is written survive the machine. While one group is synced the next gathers, so one sync serves many. */
export class SyncLane {
  readonly #journal: LaneJournal;
  readonly #writes: WriteLane;
  readonly #waiters = new Waiters();
  readonly #pace = new Pace(SLOW_SYNC);
  #synced: number;
  #syncing = false;

  constructor(journal: LaneJournal, writes: WriteLane) {
    this.#journal = journal;
    this.#writes = writes;
    this.#synced = writes.written;
  }

  /** Resolves when all that was appended before is on the disk. */
  whenSynced(): Promise<void> {
    const position = this.#writes.appended;
    if (position <= Math.max(this.#synced, this.#writes.sealed)) return DONE;
    const synced = this.#waiters.add(position);
    void this.#syncAll();
    return synced;
  }

  /** Nobody need wait any longer for what was not synced. */
  reject(error: JournalError): void {
    this.#waiters.reject(error);
  }

  /** Syncs until nobody waits for it. */
  async #syncAll(): Promise<void> {
    if (this.#syncing) return;
    this.#syncing = true;
    const writes = this.#writes;
    try {
      while (this.#waiters.count > 0 && this.#journal.works()) {
        await this.#gather();
        writes.write();
        if (writes.appended > writes.written) await writes.whenWritten();
        const { written } = writes;
        await this.#sync();
        // A write that is under way goes where the zeros would.
        if (!writes.writing) writes.segment.growBehind(written);
        this.#synced = Math.max(this.#synced, written);
        this.#waiters.settle(this.#synced);
      }
    } catch (cause) {
      // Who failed to write has told everybody.
      if (!(cause instanceof JournalError)) this.#journal.fail(cause);
    } finally {
      this.#syncing = false;
    }
  }

  /** Those that come meanwhile share the next sync, whichever thread is at it. */
  async #sync(): Promise<void> {
    const { segment } = this.#writes;
    if (this.#pace.quick) this.#pace.call(() => segment.syncSync());
    else await segment.sync();
  }

  /**
   * What comes in the same turn of the event loop shares a sync, and what comes in the next ones as long as each brings more:
   * a sync costs 46 µs of processor time (75 by another thread) however many share it. To wait idly for more would cost more than it saves.
   */
  async #gather(): Promise<void> {
    const until = performance.now() + MAX_GATHERING;
    for (let count = 0; count < this.#waiters.count && performance.now() < until; ) {
      count = this.#waiters.count;
      await setImmediate();
    }
  }
}
