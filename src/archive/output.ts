import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/**
 * Writes to an output as fast as it takes, so that what is written does not gather in memory. A reader that goes away
 * (`| head`) has seen enough: that is no error.
 */
export async function writeAll(
  output: NodeJS.WritableStream,
  parts: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): Promise<void> {
  try {
    await pipeline(Readable.from(parts), output, { end: false });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}

/** Ends each line. */
export function* asText(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}
