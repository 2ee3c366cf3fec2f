import { setTimeout as delay } from "node:timers/promises";
import { formatDuration } from "./print/quantities.ts";
import type { Style } from "./print/style.ts";
import type { Moment } from "./replay.ts";

export interface PaceOptions {
  /** 1 is as it happened, 10 ten times as fast. */
  readonly speed: number;
  /** Milliseconds that a pause takes at most, as it is shown; what is left out is told. Infinity: whole pauses. */
  readonly longestPause: number;
  readonly style: Style;
  /** Ends it, also in the midst of a pause. */
  readonly signal?: AbortSignal;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** What time is, and how it passes; in milliseconds. */
export interface Clock {
  now(): number;
  /** @throws {Error} when it is aborted. */
  wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void>;
}

/** Node's timers end at once when they are asked for more (timers, `setTimeout`). */
const LONGEST_TIMER = 2 ** 31 - 1;

const machineClock: Clock = {
  now: () => performance.now(),
  async wait(milliseconds, signal) {
    for (let left = milliseconds; left > 0; left -= LONGEST_TIMER) {
      await delay(Math.min(left, LONGEST_TIMER), undefined, { ...(signal !== undefined && { signal }) });
    }
  },
};

/**
 * Gives what moments tell when it is time. What lies behind what was told already (statements that ran side by side are
 * told one after the other) comes without a pause; a slow terminal makes no pause longer.
 */
export async function* paced(
  moments: Iterable<Moment>,
  { speed, longestPause, style, signal, clock = machineClock }: PaceOptions,
): AsyncGenerator<string> {
  /** Up to where it has been told, in the session's time, and when that was due to be shown. */
  let told: number | undefined;
  let due = clock.now();
  for (const { at, lines } of moments) {
    told ??= at;
    const pause = Math.max(0, at - told) / speed;
    const shown = Math.min(pause, longestPause);
    if (shown < pause) yield `${style.paint("dim", `… ${formatDuration(at - told)} later`)}\n`;
    due += shown;
    const left = due - clock.now();
    if (left > 0) await clock.wait(left, signal).catch(() => {});
    if (signal?.aborted === true) return;
    told = Math.max(told, at);
    yield text(lines);
  }
}

export function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
