import { crc32 } from "node:zlib";
import type { BodyChunk, RecordedEvent } from "./events.ts";
import { formatUuid, parseUuid } from "./uuid.ts";

/*
 * A frame of the journal, integers little-endian:
 *
 *   0  u32  CRC-32 (ISO-HDLC, as zlib's) of everything behind it
 *   4  u32  length of the payload
 *   8  u8   kind: 1 event, 2 request body, 3 response body
 *   9  u8×3 zero
 *  12  payload
 *
 * An event's payload is its JSON. A body's payload is the exchange id (16 bytes), the chunk's sequence (u32), its byte
 * offset in the body (u64), then the bytes.
 */
export const FRAME_HEADER = 12;
const BODY_HEADER = 28;
/** No frame is longer, so that a damaged length cannot make a reader ask for gigabytes. */
export const MAX_PAYLOAD = 32 * 1024 * 1024;

const EVENT = 1;
const REQUEST_BODY = 2;
const RESPONSE_BODY = 3;

export type JournalRecord =
  | { readonly kind: "event"; readonly event: RecordedEvent }
  | { readonly kind: "body"; readonly chunk: BodyChunk };

/** Bytes of a page. */
const PAGE = 64 * 1024;
/** Bytes of a body that are copied into their frame: one small buffer costs less to write than two. */
const COPIED = 8 * 1024;

/**
 * Memory that small frames are made in, side by side, so that they are written as one buffer. It is used again when they
 * are written: a megabyte of new memory a second would keep the garbage collector busy.
 */
export class Page {
  readonly #bytes = Buffer.allocUnsafeSlow(PAGE);
  #used = 0;

  /** Room for so many bytes, of the page while there is some. */
  room(bytes: number): Buffer {
    const from = this.#used;
    return from + bytes <= PAGE ? this.#bytes.subarray(from, from + bytes) : Buffer.allocUnsafe(bytes);
  }

  /** The first bytes of what {@link room} gave last are taken. */
  take(frame: Buffer): void {
    if (frame.buffer === this.#bytes.buffer) this.#used += frame.length;
  }

  /** Nothing that was made here is needed any more. */
  reset(): void {
    this.#used = 0;
  }
}

/** The buffers of one record's frame, in order. A large body's bytes are not copied: they must not change until written. */
export function encodeFrame(record: JournalRecord, page: Page): Uint8Array[] {
  const frame = record.kind === "event" ? eventFrame(record.event, page) : bodyFrame(record.chunk, page);
  page.take(frame);
  const checksum = crc32(frame.subarray(4));
  const apart = record.kind === "body" && record.chunk.bytes.length > COPIED ? record.chunk.bytes : undefined;
  frame.writeUInt32LE(apart === undefined ? checksum : crc32(apart, checksum), 0);
  return apart === undefined ? [frame] : [frame, apart];
}

function eventFrame(event: RecordedEvent, page: Page): Buffer {
  const json = JSON.stringify(event);
  // UTF-8 takes three bytes at most for each of UTF-16's units.
  const room = page.room(FRAME_HEADER + 3 * json.length);
  const length = room.write(json, FRAME_HEADER, "utf8");
  room.writeUInt32LE(length, 4);
  room.writeUInt32LE(EVENT, 8);
  return room.subarray(0, FRAME_HEADER + length);
}

function bodyFrame({ exchange, direction, sequence, offset, bytes }: BodyChunk, page: Page): Buffer {
  const head = FRAME_HEADER + BODY_HEADER;
  const copied = bytes.length <= COPIED;
  const frame = page.room(copied ? head + bytes.length : head);
  frame.writeUInt32LE(BODY_HEADER + bytes.length, 4);
  frame.writeUInt32LE(direction === "request" ? REQUEST_BODY : RESPONSE_BODY, 8);
  parseUuid(exchange, frame, FRAME_HEADER);
  frame.writeUInt32LE(sequence, FRAME_HEADER + 16);
  frame.writeBigUInt64LE(BigInt(offset), FRAME_HEADER + 20);
  if (copied) frame.set(bytes, head);
  return frame;
}

/**
 * - `record`: a whole, sound frame;
 * - `short`: the bytes end before the frame does (`needed` bytes make the next step possible);
 * - `damaged`: these bytes are no frame.
 */
export type Decoded =
  | { readonly state: "record"; readonly record: JournalRecord; readonly length: number }
  | { readonly state: "short"; readonly needed: number }
  | { readonly state: "damaged" };

/** Reads the frame that begins at `at`. Body bytes are views of `buffer`, not copies. */
export function decodeFrame(buffer: Buffer, at: number): Decoded {
  if (buffer.length - at < FRAME_HEADER) return { state: "short", needed: FRAME_HEADER };
  const payload = buffer.readUInt32LE(at + 4);
  const kind = buffer.readUInt32LE(at + 8);
  if (payload > MAX_PAYLOAD || kind < EVENT || kind > RESPONSE_BODY) return { state: "damaged" };
  const length = FRAME_HEADER + payload;
  if (buffer.length - at < length) return { state: "short", needed: length };
  if (crc32(buffer.subarray(at + 4, at + length)) !== buffer.readUInt32LE(at)) return { state: "damaged" };
  const start = at + FRAME_HEADER;
  if (kind === EVENT) {
    const event = parseEvent(buffer.toString("utf8", start, start + payload));
    return event === undefined
      ? { state: "damaged" }
      : { state: "record", record: { kind: "event", event }, length };
  }
  if (payload < BODY_HEADER) return { state: "damaged" };
  const chunk: BodyChunk = {
    exchange: formatUuid(buffer, start),
    direction: kind === REQUEST_BODY ? "request" : "response",
    sequence: buffer.readUInt32LE(start + 16),
    offset: Number(buffer.readBigUInt64LE(start + 20)),
    bytes: buffer.subarray(start + BODY_HEADER, start + payload),
  };
  return { state: "record", record: { kind: "body", chunk }, length };
}

/** A sound checksum over what is no JSON can only have been forged; it stops no reader. */
function parseEvent(json: string): RecordedEvent | undefined {
  try {
    return JSON.parse(json) as RecordedEvent;
  } catch {
    return undefined;
  }
}
