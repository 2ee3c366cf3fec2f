/** Positions that are remembered; when there are more, every other one is let go, so that long lags are told less exactly. */
const MAX_MARKS = 2_048;

interface Mark {
  readonly position: number;
  /** Milliseconds, by `performance.now()`. */
  readonly at: number;
}

/** Says how old the first byte of a log is that a reader has not dealt with yet: looks at the log's end now and then. */
export class LagClock {
  #marks: Mark[] = [];

  /** Notes where the log ends now, and up to where its reader has come. */
  look(end: number, passed: number, now = performance.now()): void {
    const done = this.#marks.findIndex(({ position }) => position > passed);
    if (done !== 0) this.#marks.splice(0, done < 0 ? this.#marks.length : done);
    if (end <= passed || end === this.#marks.at(-1)?.position) return;
    this.#marks.push({ position: end, at: now });
    if (this.#marks.length > MAX_MARKS) this.#marks = this.#marks.filter((_, index) => index % 2 === 0);
  }

  /** Milliseconds; 0 when the reader is at the end. As exact as the time between two looks. */
  lag(passed: number, now = performance.now()): number {
    const first = this.#marks.find(({ position }) => position > passed);
    return first === undefined ? 0 : now - first.at;
  }
}
