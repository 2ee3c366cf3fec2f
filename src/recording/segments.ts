import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

/*
 * The log is one sequence of frames, and a position is the number of bytes of frames before it. A segment file is named by
 * the position of its first frame (20 digits), and begins with a header that positions do not count: "BQTJ", version
 * (u16), zero (u16), the same position (u64), all little-endian.
 */
export const SEGMENT_HEADER = 16;
const MAGIC = 0x4a545142; // "BQTJ" read as a little-endian u32
const VERSION = 1;
const NAME = /^(\d{20})\.journal$/;

export interface Segment {
  /** Position of its first frame. */
  readonly base: number;
  /** Position behind its last byte, when it was listed. The one that is written may have zeros there, see {@link writtenEnd}. */
  readonly end: number;
  readonly path: string;
}

export function segmentPath(directory: string, base: number): string {
  return join(directory, `${String(base).padStart(20, "0")}.journal`);
}

export function isSegmentName(name: string): boolean {
  return NAME.test(name);
}

/** The directory's segments, oldest first. Files of other names are not the journal's and are left alone. */
export function listSegments(directory: string): Segment[] {
  const segments: Segment[] = [];
  for (const name of readdirSync(directory)) {
    const base = NAME.exec(name)?.[1];
    if (base === undefined) continue;
    const path = join(directory, name);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    // A reader lists while the writer trims: a name can be gone by the time it is looked at.
    if (size === undefined) continue;
    segments.push({ base: Number(base), end: Number(base) + Math.max(0, size - SEGMENT_HEADER), path });
  }
  return segments.sort((a, b) => a.base - b.base);
}

/** Bytes looked at a time, from the end. */
const LOOK_BACK = 64 * 1024;

/**
 * The position behind the last byte of a segment that is not zero. What is being written ends there, or behind it when
 * the last record is a body that ends with zeros.
 */
export function writtenEnd({ base, path }: Segment): number {
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(LOOK_BACK);
    for (let end = fstatSync(fd).size; end > SEGMENT_HEADER; ) {
      const from = Math.max(SEGMENT_HEADER, end - LOOK_BACK);
      const bytes = buffer.subarray(0, readSync(fd, buffer, 0, end - from, from));
      const last = bytes.findLastIndex((byte) => byte !== 0);
      if (last >= 0) return base + from + last + 1 - SEGMENT_HEADER;
      end = from;
    }
    return base;
  } finally {
    closeSync(fd);
  }
}

export function encodeSegmentHeader(base: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeBigUInt64LE(BigInt(base), 8);
  return header;
}

/** Whether these bytes are the header of the segment named by `base`. */
export function isSegmentHeader(bytes: Buffer, base: number): boolean {
  return (
    bytes.length === SEGMENT_HEADER &&
    bytes.readUInt32LE(0) === MAGIC &&
    bytes.readUInt16LE(4) === VERSION &&
    Number(bytes.readBigUInt64LE(8)) === base
  );
}
