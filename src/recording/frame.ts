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

/** The buffers of one event's frame, in order. */
export function encodeEvent(event: RecordedEvent): Uint8Array[] {
  const json = JSON.stringify(event);
  const length = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(FRAME_HEADER + length);
  frame.writeUInt32LE(length, 4);
  frame.writeUInt32LE(EVENT, 8);
  frame.write(json, FRAME_HEADER, "utf8");
  frame.writeUInt32LE(crc32(frame.subarray(4)), 0);
  return [frame];
}

/** The buffers of one chunk's frame, in order; the chunk's bytes are not copied, so they must not change until written. */
export function encodeBody(chunk: BodyChunk): Uint8Array[] {
  const head = Buffer.allocUnsafe(FRAME_HEADER + BODY_HEADER);
  head.writeUInt32LE(BODY_HEADER + chunk.bytes.length, 4);
  head.writeUInt32LE(chunk.direction === "request" ? REQUEST_BODY : RESPONSE_BODY, 8);
  parseUuid(chunk.exchange, head, FRAME_HEADER);
  head.writeUInt32LE(chunk.sequence, FRAME_HEADER + 16);
  head.writeBigUInt64LE(BigInt(chunk.offset), FRAME_HEADER + 20);
  head.writeUInt32LE(crc32(chunk.bytes, crc32(head.subarray(4))), 0);
  return [head, chunk.bytes];
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
