import { closeSync, openSync, readSync } from "node:fs";

/** A line of a file. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its end; good until the next line is asked for. */
  readonly bytes: Buffer;
  /** Whether `\n` follows; only the file's last line may lack it. */
  readonly ended: boolean;
}

/** Bytes of a line at most; a body's chunk takes 350 KB. */
const MAX_LINE = 8 * 1024 * 1024;
const READ = 1024 * 1024;
const NEWLINE = 0x0a;

/** A line is too long to be one of a tape. */
export class LineTooLong extends Error {
  override readonly name = "LineTooLong";
}

/**
 * The lines of a file, as they are asked for; memory does not grow with it.
 *
 * @throws the system's error when it cannot be read; {@link LineTooLong}.
 */
export function* readLines(file: string): Generator<Line> {
  const fd = openSync(file, "r");
  try {
    let buffer = Buffer.allocUnsafe(READ);
    /** What is not handed out yet lies from `start` to `end`. */
    let [start, end, number] = [0, 0, 0];
    for (;;) {
      if (start > 0) buffer.copyWithin(0, start, end);
      [start, end] = [0, end - start];
      if (end === buffer.length) {
        if (end >= MAX_LINE) throw new LineTooLong(`line ${number + 1} has more than ${MAX_LINE} bytes`);
        buffer = Buffer.concat([buffer], buffer.length * 2);
      }
      const searched = end;
      const read = readSync(fd, buffer, end, buffer.length - end, null);
      end += read;
      if (read === 0) break;
      for (let from = searched; ; from = start) {
        const at = buffer.subarray(0, end).indexOf(NEWLINE, from);
        if (at < 0) break;
        number += 1;
        yield { number, bytes: buffer.subarray(start, at), ended: true };
        start = at + 1;
      }
    }
    if (end > start) yield { number: number + 1, bytes: buffer.subarray(start, end), ended: false };
  } finally {
    closeSync(fd);
  }
}
