/*
 * How records stand in the topics (DESIGN, "Topics"): CloudEvents 1.0 in Kafka's binary mode (CloudEvents "Kafka Protocol
 * Binding" 1.0, section 3.2): attributes are headers, UTF-8 text each. One module writes them and one reads them back;
 * both take the names from here.
 */

/** Which topic a record belongs to; the topics' own names are the sink's business. */
export type Topic = "events" | "bodies";

/** A record of a topic, as every Kafka client takes it. */
export interface TopicRecord {
  readonly topic: Topic;
  /** Decides the partition: the session of events, the exchange of bodies. */
  readonly key: string;
  /**
   * Never null. An event's is its JSON. A body's bytes may be a view of a larger buffer: they must not be kept longer than
   * the batch.
   */
  readonly value: Buffer | string;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since the Unix epoch, whole. */
  readonly timestamp: number;
}

export const HEADER = {
  contentType: "content-type",
  specVersion: "ce_specversion",
  /** The same for the same record, however often it is delivered. */
  id: "ce_id",
  source: "ce_source",
  type: "ce_type",
  /** RFC 3339. Of body chunks, which carry no time: when the exchange began. */
  time: "ce_time",
  /** The exchange; of other events the session, or the run of the gateway. */
  subject: "ce_subject",
  partitionKey: "ce_partitionkey",
  /** {@link SEQUENCE_DIGITS} digits. Of a body: the chunk's number from 0. Of an event: its position in the source's journal. */
  sequence: "ce_sequence",
  /** `request` or `response`. */
  direction: "ce_direction",
  /** Of the chunk's first byte in the body, from 0. */
  byteOffset: "ce_byteoffset",
  /** `true` of the record that closes a body, `false` of all before it. */
  final: "ce_final",

  // On the closing record alone.
  /** Records of this body in front of the closing one, which itself has no bytes. */
  chunkCount: "ce_chunkcount",
  /** Bytes of the body. */
  totalLength: "ce_totallength",
  /** Hexadecimal SHA-256 of these; absent when the gateway ended before it was known. */
  bodySha256: "ce_bodysha256",
  /** `complete`, or `aborted`: there was or may have been more. */
  outcome: "ce_outcome",
  /** The body's `Content-Encoding` (RFC 9110, section 8.4), when it has one: chunks are encoded bytes. */
  contentEncoding: "ce_contentencoding",
  /** `true` when the bytes were withheld on purpose (credentials): length and digest are all there is. */
  withheld: "ce_withheld",
} as const;

export const SPEC_VERSION = "1.0";
export const EVENT_CONTENT_TYPE = "application/json";
export const BODY_CONTENT_TYPE = "application/octet-stream";

const TYPE_PREFIX = "dev.bqtape.";
export const BODY_TYPE = `${TYPE_PREFIX}body`;
/** Of all records of the control topic. */
export const SESSION_STATE_TYPE = `${TYPE_PREFIX}session.state`;

/** What an event tells; `ce_type` is this behind `dev.bqtape.`. */
export const EVENT_NAMES = [
  "gateway.started",
  "gateway.stopped",
  "session.started",
  "session.renewed",
  "session.ended",
  "session.revoked",
  "identity.refused",
  "exchange.requested",
  "exchange.completed",
  "exchange.denied",
  "tunnel.closed",
  "recording.gap",
  "checkpoint",
] as const;
export type EventName = (typeof EVENT_NAMES)[number];

export function ceType(name: EventName): string {
  return TYPE_PREFIX + name;
}

export function eventName(type: string): EventName | undefined {
  return EVENT_NAMES.find((name) => ceType(name) === type);
}

/** Digits of the largest position that a journal can have, with room: text sorts as numbers do. */
const SEQUENCE_DIGITS = 20;

export function formatSequence(sequence: number): string {
  return String(sequence).padStart(SEQUENCE_DIGITS, "0");
}

export type Direction = "request" | "response";

/** `<exchange>/<req|res>/<sequence>` */
export function bodyId(exchange: string, direction: Direction, sequence: number): string {
  return `${exchange}/${direction === "request" ? "req" : "res"}/${sequence}`;
}

/** 9999-12-31T23:59:59.999Z: RFC 3339 writes years with four digits. */
const LAST_TIME = 253_402_300_799_999;

/** A time as Kafka and OCSF have it: whole milliseconds, within what RFC 3339 can write. */
export function wholeMilliseconds(time: number): number {
  return Number.isFinite(time) ? Math.min(Math.max(0, Math.floor(time)), LAST_TIME) : 0;
}

/** Times that were written last, by their last bits: the records of exchanges that run side by side share a few. */
const TIMES = 64;
const times = Array.from({ length: TIMES }, () => ({ time: -1, text: "" }));

export function formatTime(time: number): string {
  const whole = wholeMilliseconds(time);
  const known = times[whole % TIMES];
  if (known?.time === whole) return known.text;
  const text = new Date(whole).toISOString();
  times[whole % TIMES] = { time: whole, text };
  return text;
}
