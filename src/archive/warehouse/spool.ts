import { closeSync, openSync, read, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { uuidv7 } from "../../recording/uuid.ts";

/**
 * Rows on their way into BigQuery, one line of JSON each: in a file without a name, so that memory is bounded whatever waits,
 * and nothing is left behind whenever the process ends.
 */
export class Spool {
  readonly #file: number;
  #bytes = 0;
  #rows = 0;
  #closed = false;

  /** @throws Node's errors, when the directory cannot be written. */
  constructor(directory: string) {
    const path = join(directory, `spool-${uuidv7()}`);
    this.#file = openSync(path, "wx+", 0o600);
    unlinkSync(path);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get rows(): number {
    return this.#rows;
  }

  append(lines: readonly string[]): void {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    for (let at = 0; at < bytes.length; )
      at += writeSync(this.#file, bytes, at, bytes.length - at, this.#bytes + at);
    this.#bytes += bytes.length;
    this.#rows += lines.length;
  }

  /** Rows from one to before another, counted from 0. */
  read(from = 0, to = this.#rows): Readable {
    // No stream of Node's own on the file: when it is destroyed it closes the file.
    const whole = chunks(this.#file, this.#bytes);
    const some = from === 0 && to === this.#rows ? whole : lines(whole, from, to);
    return Readable.from(some, { objectMode: false });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
  }
}

const CHUNK = 256 * 1024;
const readFrom = promisify(read);

async function* chunks(file: number, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, bytes - at));
    const { bytesRead } = await readFrom(file, buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new Error("rows on their way to BigQuery are gone from their file");
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** Rows by number. Only a line feed ends one: `readline` would take U+2028 for an end, too, which JSON has as it is. */
async function* lines(whole: AsyncIterable<Buffer>, from: number, to: number): AsyncGenerator<string> {
  let at = 0;
  let rest: Buffer[] = [];
  for await (const chunk of whole) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      const line = Buffer.concat([...rest, chunk.subarray(start, end + 1)]);
      rest = [];
      start = end + 1;
      if (at >= to) return;
      if (at >= from) yield line.toString("utf8");
      at += 1;
    }
    rest.push(chunk.subarray(start));
  }
}

const LINE_FEED = 0x0a;
