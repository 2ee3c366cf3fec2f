/** Pseudo-random numbers that are the same for the same seed, everywhere and always (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 2^32 - 1. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 to `below` - 1. */
  integer(below: number): number {
    return this.word() % below;
  }

  /** True once in so many times. */
  once(times: number): boolean {
    return this.integer(times) === 0;
  }

  /** One of a list that is not empty. */
  pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[this.integer(choices.length)] as Choice;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.integer(256)));
  }
}
