import type { BodyChunk, BodySummary, Direction } from "../../recording/events.ts";
import {
  BODY_CONTENT_TYPE,
  BODY_TYPE,
  bodyId,
  formatSequence,
  formatTime,
  HEADER,
  SPEC_VERSION,
  type TopicRecord,
  wholeMilliseconds,
} from "./headers.ts";

const NO_BYTES = Buffer.alloc(0);

/** How a body ended, as far as the journal tells. */
export interface BodyEnd {
  readonly exchange: string;
  readonly direction: Direction;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly body: BodySummary;
  readonly outcome: "complete" | "aborted";
  readonly contentEncoding?: string | undefined;
}

/** A piece of a body, as it is in the journal; it says nothing that needs to be known of other records. */
export function chunkRecord(source: string, chunk: BodyChunk): TopicRecord {
  const { exchange, direction, sequence, offset, bytes } = chunk;
  return record(source, { exchange, direction, sequence, offset, time: beginning(exchange) }, view(bytes), {
    [HEADER.final]: "false",
  });
}

/**
 * The record that closes a body, with no bytes of its own. Which chunk is the last is known only when the exchange ends,
 * and to hold chunks back until then would block whoever waits for their acknowledgement before the exchange goes on.
 */
export function closingRecord(source: string, end: BodyEnd): TopicRecord {
  const { exchange, direction, time, outcome, contentEncoding } = end;
  const { bytes, chunks, sha256 } = end.body;
  return record(source, { exchange, direction, sequence: chunks, offset: bytes, time }, NO_BYTES, {
    [HEADER.final]: "true",
    [HEADER.chunkCount]: String(chunks),
    [HEADER.totalLength]: String(bytes),
    ...(sha256 !== undefined && { [HEADER.bodySha256]: sha256 }),
    [HEADER.outcome]: outcome,
    ...(contentEncoding !== undefined && { [HEADER.contentEncoding]: contentEncoding }),
    ...(chunks === 0 && bytes > 0 && { [HEADER.withheld]: "true" }),
  });
}

interface Place {
  readonly exchange: string;
  readonly direction: Direction;
  readonly sequence: number;
  readonly offset: number;
  readonly time: number;
}

function record(
  source: string,
  { exchange, direction, sequence, offset, time }: Place,
  value: Buffer,
  more: Readonly<Record<string, string>>,
): TopicRecord {
  return {
    topic: "bodies",
    key: exchange,
    value,
    headers: {
      [HEADER.contentType]: BODY_CONTENT_TYPE,
      [HEADER.specVersion]: SPEC_VERSION,
      [HEADER.id]: bodyId(exchange, direction, sequence),
      [HEADER.source]: source,
      [HEADER.type]: BODY_TYPE,
      [HEADER.time]: formatTime(time),
      [HEADER.subject]: exchange,
      [HEADER.partitionKey]: exchange,
      [HEADER.sequence]: formatSequence(sequence),
      [HEADER.direction]: direction,
      [HEADER.byteOffset]: String(offset),
      ...more,
    },
    timestamp: wholeMilliseconds(time),
  };
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** When an exchange began, in milliseconds since the Unix epoch: the first 48 bits of its id (RFC 9562, section 5.7). */
export function beginning(exchange: string): number {
  return Number.parseInt(exchange.slice(0, 8) + exchange.slice(9, 13), 16);
}

/** RFC 9110, section 5.6.2, as a list; a header of another kind is not passed on. */
const ENCODINGS = /^[\w!#$%&'*+.^`|~, -]{1,100}$/;

/** The value of a `Content-Encoding` header, when it can be one. */
export function soundEncoding(value: string | undefined): string | undefined {
  return value !== undefined && ENCODINGS.test(value) ? value : undefined;
}
