import { count } from "../print/quantities.ts";

/** What an export could not have whole, counted while it is made, and told at its end. */
export class Notes {
  /** Exchanges written so far, for progress. */
  exchanges = 0;
  readonly #counts = new Map<string, { readonly noun: string; readonly rest: string; count: number }>();

  /** Counts one more `noun` of which `rest` is true: `body` and `was withheld …`. */
  add(noun: string, rest: string, number = 1): void {
    const key = `${noun} ${rest}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { noun, rest, count: number });
    else known.count += number;
  }

  /** A sentence for each kind of thing. */
  lines(): string[] {
    return [...this.#counts.values()].map(
      ({ noun, rest, count: number }) => `${count(number, noun)} ${rest}`,
    );
  }
}
