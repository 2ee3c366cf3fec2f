import { RecordError } from "./errors.ts";
import {
  BODY_TYPE,
  bodyId,
  type Direction,
  type EventName,
  eventName,
  HEADER,
  SPEC_VERSION,
} from "./headers.ts";
import type { OcsfEvent } from "./ocsf.ts";

/** A header's value, as one Kafka client or another gives it. */
type HeaderValue = string | Uint8Array | undefined | null;

/** A record as a consumer gets it, from whichever client. */
export interface ConsumedRecord {
  readonly key: string | Uint8Array | null | undefined;
  readonly value: string | Uint8Array | null | undefined;
  /** Of a name that is repeated, the last value counts. */
  readonly headers:
    | Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>
    | ReadonlyMap<string | Uint8Array, HeaderValue>
    | undefined;
}

interface Envelope {
  /** `ce_id`: records with the same are the same. */
  readonly id: string;
  readonly source: string;
  readonly key: string;
  readonly time: Date;
}

/** A record of the events topic. */
export interface EventMessage extends Envelope {
  readonly kind: "event";
  readonly name: EventName;
  /** Position in the source's journal. */
  readonly sequence: number;
  /** The exchange, session or run of the gateway that it is about. */
  readonly subject?: string;
  readonly event: OcsfEvent;
}

/** A record of the bodies topic. */
export interface BodyMessage extends Envelope {
  readonly kind: "body";
  readonly exchange: string;
  readonly direction: Direction;
  /** From 0; the closing record's is the number of those before it. */
  readonly sequence: number;
  /** Of the first byte in the body. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** Present on the record that closes the body. */
  readonly close?: BodyClose;
}

export interface BodyClose {
  readonly chunks: number;
  readonly length: number;
  /** Hexadecimal; absent when the gateway ended before it was known. */
  readonly sha256?: string;
  /** `aborted`: there was or may have been more. */
  readonly outcome: "complete" | "aborted";
  readonly contentEncoding?: string;
  /** The bytes were withheld on purpose: no chunk of them exists. */
  readonly withheld: boolean;
}

export type TopicMessage = EventMessage | BodyMessage;

/**
 * Reads a record of either topic back.
 *
 * @throws {RecordError}
 */
export function readRecord(record: ConsumedRecord): TopicMessage {
  const header = headersOf(record);
  const version = header.optional(HEADER.specVersion);
  if (version !== SPEC_VERSION) {
    throw new RecordError(
      "not-a-cloudevent",
      version === undefined ? "no CloudEvent" : `a CloudEvent of version ${version}`,
    );
  }
  const type = header.required(HEADER.type);
  const envelope = {
    id: header.required(HEADER.id),
    source: header.required(HEADER.source),
    key: text(record.key) ?? "",
    time: header.time(HEADER.time),
  };
  if (record.value === null || record.value === undefined) {
    throw new RecordError("malformed", `${envelope.id} has no value`);
  }
  const value =
    typeof record.value === "string"
      ? Buffer.from(record.value)
      : Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength);
  if (type === BODY_TYPE) return readBody(header, envelope, value);
  const name = eventName(type);
  if (name === undefined) throw new RecordError("unknown-type", `${envelope.id} is of type ${type}`);
  const subject = header.optional(HEADER.subject);
  return {
    kind: "event",
    ...envelope,
    name,
    sequence: header.integer(HEADER.sequence),
    ...(subject !== undefined && { subject }),
    event: parseEvent(envelope.id, value),
  };
}

function readBody(header: Headers, envelope: Envelope, bytes: Buffer): BodyMessage {
  const direction = header.oneOf(HEADER.direction, ["request", "response"]);
  const exchange = header.required(HEADER.subject);
  const sequence = header.integer(HEADER.sequence);
  if (envelope.id !== bodyId(exchange, direction, sequence)) {
    throw new RecordError("malformed", `${envelope.id} is not the id of what its record holds`);
  }
  const message = {
    kind: "body" as const,
    ...envelope,
    exchange,
    direction,
    sequence,
    offset: header.integer(HEADER.byteOffset),
    bytes,
  };
  if (header.oneOf(HEADER.final, ["true", "false"]) === "false") return message;
  const sha256 = header.optional(HEADER.bodySha256);
  const contentEncoding = header.optional(HEADER.contentEncoding);
  const close = {
    chunks: header.integer(HEADER.chunkCount),
    length: header.integer(HEADER.totalLength),
    ...(sha256 !== undefined && { sha256 }),
    outcome: header.oneOf(HEADER.outcome, ["complete", "aborted"]),
    ...(contentEncoding !== undefined && { contentEncoding }),
    withheld: header.optional(HEADER.withheld) === "true",
  };
  if (bytes.length > 0 || close.chunks !== sequence || close.length !== message.offset) {
    throw new RecordError("malformed", `${envelope.id} closes its body elsewhere than it stands`);
  }
  return { ...message, close };
}

function parseEvent(id: string, value: Buffer): OcsfEvent {
  let event: unknown;
  try {
    event = JSON.parse(value.toString("utf8"));
  } catch (cause) {
    throw new RecordError("malformed", `${id} is not JSON`, { cause });
  }
  if (typeof event !== "object" || event === null || !("metadata" in event)) {
    throw new RecordError("malformed", `${id} is not an event`);
  }
  const { metadata } = event;
  if (typeof metadata !== "object" || metadata === null || !("uid" in metadata) || metadata.uid !== id) {
    throw new RecordError("malformed", `${id} holds another event than its header says`);
  }
  return event as OcsfEvent;
}

type Headers = ReturnType<typeof headersOf>;

function headersOf({ headers }: ConsumedRecord) {
  const values = new Map<string, string>();
  const entries = headers instanceof Map ? headers : Object.entries(headers ?? {});
  for (const [name, value] of entries as Iterable<
    [string | Uint8Array, HeaderValue | readonly HeaderValue[]]
  >) {
    const last = Array.isArray(value) ? (value as readonly HeaderValue[]).at(-1) : (value as HeaderValue);
    const known = text(last);
    if (known !== undefined) values.set(text(name) ?? "", known);
  }
  const required = (name: string): string => {
    const value = values.get(name);
    if (value !== undefined) return value;
    const id = values.get(HEADER.id);
    throw new RecordError("header-missing", `${id ?? "a record"} has no header ${name}`);
  };
  const malformed = (name: string, value: string): RecordError =>
    new RecordError(
      "malformed",
      `${values.get(HEADER.id) ?? "a record"} has ${name} ${JSON.stringify(value)}`,
    );
  return {
    optional: (name: string): string | undefined => values.get(name),
    required,
    integer(name: string): number {
      const value = required(name);
      const number = Number(value);
      if (!/^\d{1,20}$/.test(value) || !Number.isSafeInteger(number)) throw malformed(name, value);
      return number;
    },
    oneOf<T extends string>(name: string, allowed: readonly T[]): T {
      const value = required(name);
      const found = allowed.find((each) => each === value);
      if (found === undefined) throw malformed(name, value);
      return found;
    },
    time(name: string): Date {
      const value = required(name);
      const time = new Date(value);
      if (!/^\d{4}-/.test(value) || Number.isNaN(time.getTime())) throw malformed(name, value);
      return time;
    },
  };
}

function text(value: string | Uint8Array | null | undefined): string | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === "string"
    ? value
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
}
