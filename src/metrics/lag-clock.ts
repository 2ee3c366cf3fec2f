/** Positions that are remembered. When there are more, every other one is let go: long lags are told to a thousandth. */
const MAX_MARKS = 4_096;

/** The log's end at some time. */
export interface Mark {
  readonly position: number;
  /** Milliseconds, by `performance.now()`. */
  readonly at: number;
}

/** Says how old the first byte of a log is that a reader has not dealt with yet: looks at the log's end now and then. */
export class LagClock {
  #marks: Mark[];
  /** The last look that saw more than before; it may not be among the marks. */
  #latest: Mark = { position: 0, at: 0 };
  /** Milliseconds between two marks at least. */
  #spacing = 0;

  /** @param known what is known of the log from before, in the order of positions. */
  constructor(known: readonly Mark[] = []) {
    this.#marks = [...known];
  }

  /** Notes where the log ends now, and up to where its reader has come. */
  look(end: number, passed: number, now = performance.now()): void {
    const first = this.#marks.findIndex(({ position }) => position > passed);
    if (first !== 0) this.#marks.splice(0, first < 0 ? this.#marks.length : first);
    if (this.#marks.length === 0) this.#spacing = 0;
    if (end <= passed || end === this.#latest.position) return;
    this.#latest = { position: end, at: now };
    if (now - (this.#marks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) < this.#spacing) return;
    this.#marks.push(this.#latest);
    if (this.#marks.length <= MAX_MARKS) return;
    this.#marks = this.#marks.filter((_, index) => index % 2 === 0);
    this.#spacing = ((this.#marks.at(-1)?.at ?? 0) - (this.#marks[0]?.at ?? 0)) / this.#marks.length;
  }

  /** Milliseconds; 0 when the reader is at the end. As exact as the time between two looks. */
  lag(passed: number, now = performance.now()): number {
    const first = this.#marks.find(({ position }) => position > passed) ?? this.#latest;
    return first.position > passed ? now - first.at : 0;
  }
}
