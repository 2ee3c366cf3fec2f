import { performance } from "node:perf_hooks";

/*
 * A process learns of bytes when its event loop comes back from waiting; by the time that they are decrypted, parsed and told to
 * whom they concern, the loop has been at work for a while, also for others that were there at the same time. libuv counts how
 * long it waited: so who looks at both clocks when a turn ends knows, in the next one, when that began.
 */
const { nodeTiming } = performance;

/** When a turn was noted last: which one that was, and both clocks. Not an object: there are several an exchange. */
let lastTurn = -1;
let lastAt = 0;
let lastIdle = 0;

/**
 * When this turn of the event loop began, by `performance.now()`: what it brought was there by then. Now, where that is not
 * known: only a turn behind one that was noted is.
 */
export function turnBegan(): number {
  const now = performance.now();
  if (nodeTiming.uvMetricsInfo.loopCount !== lastTurn + 1) return now;
  // What was not waited since has been worked.
  return Math.min(now, lastAt + (nodeTiming.idleTime - lastIdle));
}

/** The work of this turn is done, as far as it is known here; of several the last counts. */
export function noteTurn(): void {
  lastTurn = nodeTiming.uvMetricsInfo.loopCount;
  lastAt = performance.now();
  lastIdle = nodeTiming.idleTime;
}
