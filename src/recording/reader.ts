import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { decodeFrame, type JournalRecord } from "./frame.ts";
import { isSegmentHeader, listSegments, SEGMENT_HEADER, type Segment } from "./segments.ts";

/** A record, its position, and the position behind it, from where reading goes on. */
export interface Positioned {
  readonly record: JournalRecord;
  readonly at: number;
  readonly next: number;
  /** Its very frame, in the memory of the batch; absent of a record that comes from elsewhere. */
  readonly frame?: { readonly memory: Buffer; readonly start: number; readonly end: number };
}

/** Bytes that cannot be read as records: damaged, or no longer there. */
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly reason: "damaged" | "missing";
}

export interface Batch {
  readonly records: readonly Positioned[];
  readonly gaps: readonly Gap[];
  /** Where the next batch begins; equal to the start when there is nothing new. */
  readonly next: number;
}

interface OpenSegment {
  readonly segment: Segment;
  readonly fd: number;
}

/** Bytes asked of the file at a time; a longer frame gets a buffer of its own size. */
const READ_AHEAD = 1024 * 1024;

/**
 * Tails a journal directory from a position: from any thread or process, while it is written, across segments and
 * restarts of the writer. Reads are synchronous: it lives in worker threads and in commands, never on the thread that
 * carries traffic.
 *
 * At the end of the last segment a frame that is short or fails its checksum is one being written, so it is waited for.
 * In front of a younger segment nothing more will come: there it is a gap, and reading goes on behind it.
 */
export class JournalReader {
  readonly #directory: string;
  readonly #memory: Buffer | undefined;
  #position: number;
  #open: OpenSegment | undefined;
  /** Bytes of the memory that the present batch has. */
  #used = 0;

  /**
   * @param memory to read into: the bodies of a batch are good until the next one is read. Default: each batch has memory of
   *   its own.
   */
  constructor(directory: string, position: number, memory?: Buffer) {
    this.#directory = directory;
    this.#position = position;
    this.#memory = memory;
  }

  get position(): number {
    return this.#position;
  }

  /** Records that are there now, up to about `maxBytes` of them (at least one, when there is one). */
  read(maxBytes: number): Batch {
    const records: Positioned[] = [];
    const gaps: Gap[] = [];
    const limit = this.#position + maxBytes;
    let successor: Segment | undefined;
    this.#used = 0;
    while (this.#position < limit) {
      const open = this.#open ?? this.#openSegment(gaps);
      if (open === undefined) break;
      const left = limit - this.#position;
      const found = this.#readFrom(open, Math.min(left, READ_AHEAD), records);
      if (found === "more" && left <= READ_AHEAD) break;
      if (found !== "none") continue;
      if (successor === undefined) {
        successor = listSegments(this.#directory).find((segment) => segment.base > open.segment.base);
        if (successor === undefined) break;
        // A successor means that this segment is final; it may have grown before that, so it is read once more.
        continue;
      }
      this.#moveOn(open, successor, gaps);
      successor = undefined;
    }
    return { records, gaps, next: this.#position };
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  /**
   * Opens the segment that holds the position, or the next younger one when that is gone or is no segment.
   *
   * @throws when the last one is no segment.
   */
  #openSegment(gaps: Gap[]): OpenSegment | undefined {
    const segments = listSegments(this.#directory);
    for (let at = segments.findLastIndex((each) => each.base <= this.#position); ; at++) {
      const segment = segments[at];
      const next = segments[at + 1];
      const holds = segment !== undefined && (segment.end >= this.#position || next === undefined);
      if (holds) {
        const fd = openIfSound(segment);
        if (fd !== undefined) {
          this.#open = { segment, fd };
          return this.#open;
        }
        if (next === undefined) {
          throw new Error(`${segment.path} is not a segment of a bqtape journal, or of a newer version`);
        }
      }
      if (next === undefined) return undefined;
      gaps.push({ from: this.#position, to: next.base, reason: holds ? "damaged" : "missing" });
      this.#position = next.base;
    }
  }

  /** Reads the whole frames at the position; `more`: as far as was asked for, where another begins. */
  #readFrom({ segment, fd }: OpenSegment, want: number, into: Positioned[]): "more" | "some" | "none" {
    const start = this.#position;
    for (let size = want; ; ) {
      const buffer = this.#buffer(size);
      const offset = SEGMENT_HEADER + this.#position - segment.base;
      const filled = buffer.subarray(0, readSync(fd, buffer, 0, size, offset));
      let at = 0;
      let decoded = decodeFrame(filled, at);
      for (; decoded.state === "record"; decoded = decodeFrame(filled, at)) {
        const end = at + decoded.length;
        const frame = { memory: filled, start: at, end };
        into.push({ record: decoded.record, at: start + at, next: start + end, frame });
        at = end;
      }
      this.#position = start + at;
      this.#used += at;
      if (decoded.state !== "short" || filled.length < size) return at > 0 ? "some" : "none";
      // Only a first frame that is longer than the buffer is worth a larger one; else the next call begins at it.
      if (at > 0) return "more";
      size = decoded.needed;
    }
  }

  #buffer(size: number): Buffer {
    const memory = this.#memory;
    const fits = memory !== undefined && this.#used + size <= memory.length;
    return fits ? memory.subarray(this.#used, this.#used + size) : Buffer.allocUnsafe(size);
  }

  #moveOn(open: OpenSegment, successor: Segment, gaps: Gap[]): void {
    const end = open.segment.base + fstatSync(open.fd).size - SEGMENT_HEADER;
    if (this.#position < successor.base) {
      const reason = this.#position < end ? "damaged" : "missing";
      gaps.push({ from: this.#position, to: successor.base, reason });
    }
    closeSync(open.fd);
    this.#open = undefined;
    this.#position = successor.base;
  }
}

/**
 * The file, unless its header is wrong: a header is written before the name exists, so one that is wrong stays wrong, and
 * the frames behind it are not trusted.
 */
function openIfSound(segment: Segment): number | undefined {
  const fd = openSync(segment.path, "r");
  const header = Buffer.alloc(SEGMENT_HEADER);
  const length = readSync(fd, header, 0, SEGMENT_HEADER, 0);
  if (isSegmentHeader(header.subarray(0, length), segment.base)) return fd;
  closeSync(fd);
  return undefined;
}
