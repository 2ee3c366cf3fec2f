import type { Phase, Phases } from "./events.ts";

/** Says where an exchange's time went: at each moment it is in one phase. */
export class PhaseClock {
  readonly #began = performance.now();
  readonly #spent: Partial<Record<Phase, number>> = {};
  #phase: Phase = "receive";
  #since = this.#began;

  /** From now on, time is spent in this phase. */
  enter(phase: Phase): void {
    const now = performance.now();
    this.add(this.#phase, now - this.#since);
    this.#phase = phase;
    this.#since = now;
  }

  /** Adds milliseconds that were spent in a phase beside the present one. */
  add(phase: Phase, milliseconds: number): void {
    this.#spent[phase] = (this.#spent[phase] ?? 0) + milliseconds;
  }

  /** Milliseconds by phase until now, to the microsecond. */
  summary(): Phases {
    this.enter(this.#phase);
    this.#spent.total = this.#since - this.#began;
    const phases: Partial<Record<Phase, number>> = {};
    for (const phase in this.#spent) {
      phases[phase as Phase] = Math.round((this.#spent[phase as Phase] ?? 0) * 1000) / 1000;
    }
    return phases;
  }
}
