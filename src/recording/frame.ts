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
 * An event's payload is its canonical JSON (RFC 8785). A body's payload is the exchange id (16 bytes), the chunk's sequence (u32), its byte
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

/** A record as it is appended: an event also as its canonical JSON. */
export type Appended = JournalRecord | { readonly kind: "json"; readonly json: string };

/** A body of at most so many bytes lies in its frame; a longer one is written from where it is. */
const COPIED = 8 * 1024;

/** An event's frame at a place of a buffer, which has room for `eventRoom` bytes there. Returns where it ends. */
export function encodeEvent(json: string, into: Buffer, at: number): number {
  const length = into.write(json, at + FRAME_HEADER, "utf8");
  const end = at + FRAME_HEADER + length;
  into.writeUInt32LE(length, at + 4);
  into.writeUInt32LE(EVENT, at + 8);
  into.writeUInt32LE(crc32(into.subarray(at + 4, end)), at);
  return end;
}

/** Bytes that the frame of an event takes at most: UTF-8 has three for each of UTF-16's units. */
export function eventRoom(json: string): number {
  return FRAME_HEADER + 3 * json.length;
}

/** Whether readers would take an event's frame. */
export function fitsEvent(json: string): boolean {
  return eventRoom(json) - FRAME_HEADER <= MAX_PAYLOAD || Buffer.byteLength(json) <= MAX_PAYLOAD;
}

/** Whether readers would take a body's frame. */
export function fitsBody({ bytes }: BodyChunk): boolean {
  return BODY_HEADER + bytes.length <= MAX_PAYLOAD;
}

/** Whether a body's bytes are copied into its frame: one small buffer costs less to write than two. */
export function isCopied({ bytes }: BodyChunk): boolean {
  return bytes.length <= COPIED;
}

/** Bytes of a body's frame, without those that follow it uncopied. */
export function bodyRoom(chunk: BodyChunk): number {
  return FRAME_HEADER + BODY_HEADER + (isCopied(chunk) ? chunk.bytes.length : 0);
}

/** A body's frame at a place of a buffer, which has room for {@link bodyRoom} bytes there. Returns where it ends. */
export function encodeBody(chunk: BodyChunk, into: Buffer, at: number): number {
  const { exchange, direction, sequence, offset, bytes } = chunk;
  const start = at + FRAME_HEADER;
  const head = start + BODY_HEADER;
  into.writeUInt32LE(BODY_HEADER + bytes.length, at + 4);
  into.writeUInt32LE(direction === "request" ? REQUEST_BODY : RESPONSE_BODY, at + 8);
  parseUuid(exchange, into, start);
  into.writeUInt32LE(sequence, start + 16);
  into.writeUInt32LE(offset >>> 0, start + 20);
  into.writeUInt32LE(Math.floor(offset / 2 ** 32), start + 24);
  if (isCopied(chunk)) {
    into.set(bytes, head);
    into.writeUInt32LE(crc32(into.subarray(at + 4, head + bytes.length)), at);
    return head + bytes.length;
  }
  into.writeUInt32LE(crc32(bytes, crc32(into.subarray(at + 4, head))), at);
  return head;
}

/** A record's whole frame. */
export function frameOf(record: JournalRecord): Buffer {
  if (record.kind === "event") {
    const json = JSON.stringify(record.event);
    const frame = Buffer.allocUnsafe(eventRoom(json));
    return frame.subarray(0, encodeEvent(json, frame, 0));
  }
  const { chunk } = record;
  const frame = Buffer.allocUnsafe(FRAME_HEADER + BODY_HEADER + chunk.bytes.length);
  const end = encodeBody(chunk, frame, 0);
  if (!isCopied(chunk)) frame.set(chunk.bytes, end);
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
