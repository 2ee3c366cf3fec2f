/**
 * How fast bytes are taken:
 * - `fast`: at once;
 * - `slow`: at a rate;
 * - `stalled`: none for some time once the first came, then at once.
 */
export type Pace =
  | { readonly kind: "fast" }
  | { readonly kind: "slow"; readonly bytesPerSecond: number }
  | { readonly kind: "stalled"; readonly milliseconds: number };

/** Waits shorter than this many milliseconds are added up: timers are no finer. */
const SHORTEST_WAIT = 5;

/** Tells a reader how long to read nothing. */
export class Pacer {
  readonly #pace: Pace;
  #began: number | undefined;
  #bytes = 0;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Milliseconds to wait now that some bytes were taken; 0: go on. */
  wait(bytes: number): number {
    const first = this.#began === undefined;
    this.#began ??= performance.now();
    this.#bytes += bytes;
    if (this.#pace.kind === "stalled") return first ? this.#pace.milliseconds : 0;
    if (this.#pace.kind === "fast") return 0;
    const due = this.#began + (this.#bytes / this.#pace.bytesPerSecond) * 1000;
    const wait = due - performance.now();
    return wait < SHORTEST_WAIT ? 0 : wait;
  }
}

/** Pauses a readable as a pacer says. */
export function paced(
  readable: { pause(): unknown; resume(): unknown },
  pacer: Pacer,
): (bytes: number) => void {
  return (bytes) => {
    const wait = pacer.wait(bytes);
    if (wait === 0) return;
    readable.pause();
    setTimeout(() => readable.resume(), wait);
  };
}
