import { text } from "../../archive/pace.ts";
import { formatSince } from "../../archive/print/quantities.ts";
import type { Moment } from "../../archive/replay.ts";
import type { Key } from "./keys.ts";

export interface StepOptions {
  /** When the session began; milliseconds since the Unix epoch. */
  readonly start: number;
  /** The next key that means something. */
  readonly key: () => Promise<Key>;
}

/** Gives what moments tell, statement by statement, and waits for a key before each but the first. */
export async function* stepped(
  moments: Iterable<Moment>,
  { start, key }: StepOptions,
): AsyncGenerator<string> {
  let shown = "";
  for (const { at, lines, begins } of moments) {
    if (begins && shown !== "") {
      yield shown;
      shown = "";
      const prompt = `[space: next, at ${formatSince(at, start)}   q: quit] `;
      yield prompt;
      const pressed = await key();
      // Its line is used again.
      yield `\r${" ".repeat(prompt.length)}\r`;
      if (pressed === "quit") return;
    }
    shown += text(lines);
  }
  yield shown;
}
