import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import type { RecordedEvent } from "./events.ts";
import { encodeEvent, FRAME_HEADER, type JournalRecord } from "./frame.ts";
import { JournalReader, type Positioned } from "./reader.ts";
import { sealedForm } from "./sealed-form.ts";
import { isSegmentHeader, listSegments, SEGMENT_HEADER, type Segment } from "./segments.ts";

/*
 * A journal is overwritten in place, beside the gateway that appends to it. Half a frame would be taken for the journal's
 * torn end at the next start, and all behind it be cut off; so what will be written is first kept in a file of its own, and
 * written again from there when the first time was cut short:
 *
 *   0  u32  CRC-32 of everything behind it
 *   4  per piece: the segment's base (u64), the offset in its file (u64), the length (u32), the bytes
 */
const REDO = "scrub.redo";
const PIECE_HEADER = 20;

/** Bytes of journal that are rewritten together. */
const BATCH_BYTES = 1024 * 1024;

interface Piece {
  readonly base: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * Takes out of a journal's records what they quote: bodies become zeros, and events take their sealed form, or lose their SQL
 * where that is shorter. Lengths and positions stay, and each frame stays sound.
 *
 * @param until only records in front of this position, which no reader needs as they are.
 * @param isMeant which records.
 * @returns how many were overwritten.
 */
export function scrub(directory: string, until: number, isMeant: (record: JournalRecord) => boolean): number {
  finishScrub(directory);
  let scrubbed = 0;
  const reader = new JournalReader(directory, listSegments(directory)[0]?.base ?? 0);
  try {
    while (reader.position < until) {
      const batch = reader.read(Math.min(BATCH_BYTES, until - reader.position));
      if (batch.records.length === 0 && batch.gaps.length === 0) break;
      const segments = listSegments(directory);
      const pieces = batch.records
        .filter(({ record, next }) => next <= until && isMeant(record))
        .flatMap((positioned) => pieceOf(positioned, segments));
      scrubbed += pieces.length;
      overwrite(directory, pieces);
    }
  } finally {
    reader.close();
  }
  return scrubbed;
}

/** Writes again what an earlier {@link scrub} was about to write when it ended, if it did not come to its end. */
export function finishScrub(directory: string): void {
  const pieces = readRedo(join(directory, REDO));
  if (pieces === undefined) return;
  writePieces(directory, pieces);
  rmSync(join(directory, REDO), { force: true });
}

function overwrite(directory: string, pieces: readonly Piece[]): void {
  if (pieces.length === 0) return;
  writeRedo(join(directory, REDO), pieces);
  writePieces(directory, pieces);
  // A gateway that starts now may have finished it, too.
  rmSync(join(directory, REDO), { force: true });
}

/** None of a record that quotes nothing, or nothing any more. */
function pieceOf({ record, at, frame }: Positioned, segments: readonly Segment[]): Piece[] {
  const segment = segments.findLast(({ base }) => base <= at);
  if (segment === undefined || frame === undefined) return [];
  const before = frame.memory.subarray(frame.start, frame.end);
  const bytes = Buffer.from(before);
  if (record.kind === "body") bytes.fill(0, bytes.length - record.chunk.bytes.length);
  else {
    const json = paddedJson(record.event, bytes.length - FRAME_HEADER);
    if (json === undefined) return [];
    encodeEvent(json, bytes, 0);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  if (bytes.equals(before)) return [];
  return [{ base: segment.base, offset: SEGMENT_HEADER + at - segment.base, bytes }];
}

/** What is left of an event, with spaces behind it: as long as it was. */
function paddedJson(event: RecordedEvent, length: number): string | undefined {
  if (event.type !== "exchange.requested" || event.operation.sql === undefined) return undefined;
  const sealed = JSON.stringify(sealedForm(event));
  const shortest = () => JSON.stringify({ ...event, operation: { ...event.operation, sql: "" } });
  const json = Buffer.byteLength(sealed) <= length ? sealed : shortest();
  const room = length - Buffer.byteLength(json);
  return room < 0 ? undefined : json + " ".repeat(room);
}

function writeRedo(path: string, pieces: readonly Piece[]): void {
  const parts = pieces.flatMap(({ base, offset, bytes }) => {
    const header = Buffer.alloc(PIECE_HEADER);
    header.writeBigUInt64LE(BigInt(base), 0);
    header.writeBigUInt64LE(BigInt(offset), 8);
    header.writeUInt32LE(bytes.length, 16);
    return [header, bytes];
  });
  const content = Buffer.concat([Buffer.alloc(4), ...parts]);
  content.writeUInt32LE(crc32(content.subarray(4)), 0);
  const fresh = `${path}.new`;
  const fd = openSync(fresh, "w", 0o600);
  try {
    writeAt(fd, content, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
}

/** Undefined when there is none that is whole: then nothing was overwritten yet. */
function readRedo(path: string): Piece[] | undefined {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  if (content.length < 4 || crc32(content.subarray(4)) !== content.readUInt32LE(0)) return undefined;
  const pieces: Piece[] = [];
  for (let at = 4; at + PIECE_HEADER <= content.length; ) {
    const start = at + PIECE_HEADER;
    const end = start + content.readUInt32LE(at + 16);
    const [base, offset] = [content.readBigUInt64LE(at), content.readBigUInt64LE(at + 8)];
    pieces.push({ base: Number(base), offset: Number(offset), bytes: content.subarray(start, end) });
    at = end;
  }
  return pieces;
}

function writePieces(directory: string, pieces: readonly Piece[]): void {
  const segments = listSegments(directory);
  for (const [base, ofSegment] of Map.groupBy(pieces, (piece) => piece.base)) {
    // Who trims may have been faster.
    const path = segments.find((segment) => segment.base === base)?.path;
    if (path === undefined) continue;
    const fd = openIfThere(path);
    if (fd === undefined) continue;
    try {
      const header = Buffer.alloc(SEGMENT_HEADER);
      readSync(fd, header, 0, SEGMENT_HEADER, 0);
      if (!isSegmentHeader(header, base)) throw new Error(`${basename(path)} is not the segment that it was`);
      for (const { offset, bytes } of ofSegment) writeAt(fd, bytes, offset);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function writeAt(fd: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}
