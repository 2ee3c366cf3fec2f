import { performance } from "node:perf_hooks";

/*
 * A process learns of bytes when its event loop comes back from waiting; by the time that they are decrypted, parsed and told to
 * whom they concern, the loop has been at work for a while, also for others that were there at the same time. libuv counts how
 * long it waited: so who looks at both clocks when a turn ends knows, in the next one, when that began.
 */
const { nodeTiming } = performance;

/** When a turn was looked at last: which one that was, and both clocks. */
let last = { turn: -1, at: 0, idle: 0 };
let willNote = false;

/**
 * When this turn of the event loop began, by `performance.now()`: what it brought was there by then. Now, where that is not
 * known: only a turn behind one that was noted is.
 */
export function turnBegan(): number {
  const { turn, at, idle } = last;
  if (!willNote) {
    willNote = true;
    // Behind what a turn brought (libuv, "The I/O loop").
    setImmediate(() => {
      willNote = false;
      noteTurn();
    });
  }
  const now = performance.now();
  if (nodeTiming.uvMetricsInfo.loopCount !== turn + 1) return now;
  // What was not waited since has been worked.
  return Math.min(now, at + (nodeTiming.idleTime - idle));
}

/** The work of this turn is done, as far as it is known here; of several the last counts. */
export function noteTurn(): void {
  last = { turn: nodeTiming.uvMetricsInfo.loopCount, at: performance.now(), idle: nodeTiming.idleTime };
}
