import type { Phase, Phases } from "./events.ts";

/** In the order of an exchange's way; recordings have them in that of the alphabet. */
export const RUNNING_PHASES: readonly RunningPhase[] = [
  "receive",
  "decide",
  "commit",
  "credential",
  "upstreamFirstByte",
  "upstream",
  "release",
];
export const PHASES: readonly Phase[] = [...RUNNING_PHASES, "total"];

/** Says where an exchange's time went: at each moment it is in one phase. */
export class PhaseClock {
  readonly #began: number;
  // A field each: to look phases up by name costs more than to count them.
  #receive: number | undefined;
  #decide: number | undefined;
  #commit: number | undefined;
  #credential: number | undefined;
  #upstreamFirstByte: number | undefined;
  #upstream: number | undefined;
  #release: number | undefined;
  #phase: RunningPhase = "receive";
  #since: number;

  /** @param began when, by `performance.now()`. */
  constructor(began: number) {
    this.#began = this.#since = began;
  }

  /** Where it is now. */
  get phase(): RunningPhase {
    return this.#phase;
  }

  /** From now on, time is spent in this phase. */
  enter(phase: RunningPhase): void {
    const now = performance.now();
    this.add(this.#phase, now - this.#since);
    this.#phase = phase;
    this.#since = now;
  }

  /** Adds milliseconds that were spent in a phase beside the present one. */
  add(phase: RunningPhase, milliseconds: number): void {
    switch (phase) {
      case "receive":
        this.#receive = (this.#receive ?? 0) + milliseconds;
        break;
      case "decide":
        this.#decide = (this.#decide ?? 0) + milliseconds;
        break;
      case "commit":
        this.#commit = (this.#commit ?? 0) + milliseconds;
        break;
      case "credential":
        this.#credential = (this.#credential ?? 0) + milliseconds;
        break;
      case "upstreamFirstByte":
        this.#upstreamFirstByte = (this.#upstreamFirstByte ?? 0) + milliseconds;
        break;
      case "upstream":
        this.#upstream = (this.#upstream ?? 0) + milliseconds;
        break;
      case "release":
        this.#release = (this.#release ?? 0) + milliseconds;
        break;
    }
  }

  /** Milliseconds by phase until now, to the microsecond. */
  summary(): Phases {
    this.enter(this.#phase);
    const phases = {
      receive: rounded(this.#receive),
      decide: rounded(this.#decide),
      commit: rounded(this.#commit),
      credential: rounded(this.#credential),
      upstreamFirstByte: rounded(this.#upstreamFirstByte),
      upstream: rounded(this.#upstream),
      release: rounded(this.#release),
      total: rounded(this.#since - this.#began),
    };
    // JSON leaves out what is undefined: where an exchange has not been.
    return phases as Phases;
  }
}

export type RunningPhase = Exclude<Phase, "total">;

function rounded(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 1000) / 1000;
}
