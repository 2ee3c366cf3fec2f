import { crc32c } from "@platformatic/kafka";
import { BufferPool } from "../recording/buffer-pool.ts";
import { memoize } from "../recording/memoize.ts";
import type { SinkRecord } from "./sink.ts";
import { sizeOfVarint, VarintReader, writeVarint } from "./varint.ts";

/*
 * Kafka's record batch, message format 2 (Kafka documentation, "Record Batch"):
 *
 *   0  baseOffset INT64, batchLength INT32, partitionLeaderEpoch INT32, magic INT8
 *  17  crc UINT32, CRC-32C of all that follows
 *  21  attributes INT16, lastOffsetDelta INT32, baseTimestamp INT64, maxTimestamp INT64, producerId INT64,
 *      producerEpoch INT16, baseSequence INT32, count of records INT32
 *  61  records, or what they were compressed to
 */
const CRC_AT = 17;
const CHECKED = 21;
const BATCH_HEAD = 61;
/** Of the batch's length: baseOffset and itself. */
const NOT_COUNTED = 12;
const MAGIC = 2;

/** Bytes in front of a batch for the head of a request: a client's and a topic's name have up to 249 characters each. */
const HEAD_ROOM = 1024;
const RECORDS_AT = HEAD_ROOM + BATCH_HEAD;

/** Bytes of framing that a record (length, attributes, offsets, counts) and each of its headers has at most. */
const RECORD_FRAMING = 32;
const HEADER_FRAMING = 10;

/** Bytes from which on a batch has the room that it can fill at most. */
const LARGE = 128 * 1024;

/** What a producer says of itself in each of its batches. */
export interface Producer {
  /** A 64-bit integer, in whatever type prints it in decimal. */
  readonly producerId: { toString(): string };
  readonly producerEpoch: number;
  /** Sequence number of the batch's first record. */
  readonly firstSequence: number;
}

/** Records in a compressed form. */
export interface Compressed {
  /** Kafka's number of the compression. */
  readonly type: number;
  readonly bytes: Buffer;
}

/** A record as it is in a batch: its value in bytes. */
export type SentRecord = Omit<SinkRecord, "value"> & { readonly value: Buffer | null };

/** Bytes of idle buffers that are kept: as many as are under way when Kafka keeps up. */
const pool = new BufferPool(16 * 1024 * 1024);

/**
 * Records of one partition in the form in which Kafka has them. They are encoded as they come, so that nothing of a record is
 * kept as an object while it waits: a thousand small ones would each survive several collections.
 */
export class RecordBatch implements Iterable<SentRecord> {
  readonly #maxBytes: number;
  #buffer: Buffer;
  #end = RECORDS_AT;
  #length = 0;
  #firstTimestamp = 0;
  #maxTimestamp = 0;

  /** @param maxBytes of the whole batch, uncompressed: {@link MAX_BATCH_BYTES} at most, or what its topic takes. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#buffer = pool.take(RECORDS_AT);
  }

  /** Count of records. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of the whole batch, uncompressed. */
  get bytes(): number {
    return this.#end - HEAD_ROOM;
  }

  /** What they take, uncompressed. */
  get records(): Buffer {
    return this.#buffer.subarray(RECORDS_AT, this.#end);
  }

  /** Takes a record in; false when it does not fit. The first one always does. */
  append(record: SinkRecord): boolean {
    const { key, value, headers, timestamp } = record;
    this.#makeRoom(roomOf(record));
    const into = this.#buffer;
    if (this.#length === 0) this.#firstTimestamp = timestamp;
    // The length in front is known last: its own size is guessed, and what follows moved when that was wrong.
    const guess = value === null || value.length < 7_000 ? 2 : 3;
    const start = this.#end + guess;
    let at = start;
    into[at++] = 0;
    at = writeVarint(into, at, timestamp - this.#firstTimestamp);
    at = writeVarint(into, at, this.#length);
    at = writeText(into, at, key);
    if (value === null) at = writeVarint(into, at, NULL_LENGTH);
    else if (typeof value === "string") at = writeText(into, at, value);
    else {
      at = writeVarint(into, at, value.length);
      into.set(value, at);
      at += value.length;
    }
    let count = 0;
    for (const _ in headers) count += 1;
    at = writeVarint(into, at, count);
    for (const name in headers) at = headerOf(name).write(into, at, headers[name] ?? "");
    const size = at - start;
    const end = moved(into, start, size, this.#end + sizeOfVarint(size));
    if (end - HEAD_ROOM > this.#maxBytes && this.#length > 0) return false;
    writeVarint(into, this.#end, size);
    this.#end = end;
    this.#length += 1;
    this.#maxTimestamp = Math.max(this.#maxTimestamp, timestamp);
    return true;
  }

  /**
   * The batch as it is sent, with so many bytes in front of it for the head of a request. A view of the batch's own memory,
   * good until the next call.
   */
  framed(head: number, producer: Producer, compressed?: Compressed): Buffer {
    if (compressed === undefined && head <= HEAD_ROOM) {
      this.#writeHead(this.#buffer, HEAD_ROOM, this.#end, producer, 0);
      return this.#buffer.subarray(HEAD_ROOM - head, this.#end);
    }
    const { type, bytes } = compressed ?? { type: 0, bytes: this.records };
    const whole = Buffer.allocUnsafe(head + BATCH_HEAD + bytes.length);
    whole.set(bytes, head + BATCH_HEAD);
    this.#writeHead(whole, head, whole.length, producer, type);
    return whole;
  }

  /** The records, as they were taken in; views of the batch's memory. */
  *[Symbol.iterator](): Generator<SentRecord> {
    const reader = new VarintReader(this.#buffer, RECORDS_AT);
    while (reader.at < this.#end) {
      reader.varint();
      reader.at += 1;
      const timestamp = this.#firstTimestamp + reader.varint();
      reader.varint();
      const key = reader.text();
      const value = reader.bytes() ?? null;
      const headers: Record<string, string> = {};
      for (let left = reader.varint(); left > 0; left--) {
        const name = reader.text();
        headers[name] = reader.text();
      }
      yield { key, value, headers, timestamp };
    }
  }

  /** Gives the memory back: nobody may look at the batch any more, nor at views of it. */
  release(): void {
    pool.give(this.#buffer);
    this.#buffer = NOTHING;
    this.#end = 0;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    // What has become large will be full: to double it would copy all of it again and again.
    const larger = pool.take(needed > LARGE ? Math.max(needed, HEAD_ROOM + this.#maxBytes) : needed);
    this.#buffer.copy(larger, RECORDS_AT, RECORDS_AT, this.#end);
    pool.give(this.#buffer);
    this.#buffer = larger;
  }

  #writeHead(into: Buffer, start: number, end: number, producer: Producer, compression: number): void {
    let at = into.writeBigInt64BE(0n, start);
    at = into.writeInt32BE(end - start - NOT_COUNTED, at);
    at = into.writeInt32BE(0, at);
    into.writeInt8(MAGIC, at);
    at = into.writeInt16BE(compression, start + CHECKED);
    at = into.writeInt32BE(this.#length - 1, at);
    at = into.writeBigInt64BE(BigInt(this.#firstTimestamp), at);
    at = into.writeBigInt64BE(BigInt(this.#maxTimestamp), at);
    at = into.writeBigInt64BE(BigInt(producer.producerId.toString()), at);
    at = into.writeInt16BE(producer.producerEpoch, at);
    at = into.writeInt32BE(producer.firstSequence, at);
    into.writeInt32BE(this.#length, at);
    into.writeUInt32BE(crc32c(into.subarray(start + CHECKED, end)), start + CRC_AT);
  }
}

const NOTHING = Buffer.alloc(0);

const NULL_LENGTH = -1;

/** What a record takes at most: UTF-8 has three bytes for each of UTF-16's units. */
function roomOf({ key, value, headers }: SinkRecord): number {
  const { length } = value ?? NOTHING;
  let bytes = RECORD_FRAMING + 3 * key.length + (typeof value === "string" ? 3 * length : length);
  for (const name in headers) bytes += HEADER_FRAMING + 3 * (name.length + (headers[name] ?? "").length);
  return bytes;
}

/** Text behind its length in bytes. Returns where it ends. */
function writeText(into: Buffer, start: number, text: string): number {
  // As if it were ASCII, which it nearly always is.
  const at = start + sizeOfVarint(text.length);
  const bytes = writeCharacters(into, at, text);
  const end = moved(into, at, bytes, start + sizeOfVarint(bytes));
  writeVarint(into, start, bytes);
  return end;
}

/** Characters up to which a loop here costs less than a call of native code. */
const SHORT = 48;

function writeCharacters(into: Buffer, start: number, text: string): number {
  const { length } = text;
  if (length > SHORT) return into.write(text, start);
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) return into.write(text, start);
    into[start + index] = code;
  }
  return length;
}

/** Moves bytes to where they should have been. Returns where they end. */
function moved(into: Buffer, from: number, length: number, to: number): number {
  if (from !== to) into.copyWithin(to, from, from + length);
  return to + length;
}

/** Values of a header up to which it is taken for one that has few: a type, a source. */
const MAX_VALUES = 64;

/** A header that records have. Most have few values, so that these are encoded once. */
class Header {
  readonly #name: Buffer;
  #values: Map<string, Buffer> | undefined = new Map();

  constructor(name: string) {
    this.#name = encodedText(name);
  }

  /** Returns where it ends. */
  write(into: Buffer, at: number, value: string): number {
    const known = this.#values?.get(value) ?? this.#learn(value);
    if (known !== undefined) {
      into.set(known, at);
      return at + known.length;
    }
    into.set(this.#name, at);
    return writeText(into, at + this.#name.length, value);
  }

  #learn(value: string): Buffer | undefined {
    if (this.#values === undefined) return undefined;
    if (this.#values.size === MAX_VALUES) this.#values = undefined;
    const encoded = Buffer.concat([this.#name, encodedText(value)]);
    this.#values?.set(value, encoded);
    return encoded;
  }
}

/** There are some twenty, the same in each record. */
const headerOf = memoize((name) => new Header(name));

function encodedText(text: string): Buffer {
  const bytes = Buffer.from(text);
  const encoded = Buffer.alloc(sizeOfVarint(bytes.length) + bytes.length);
  bytes.copy(encoded, writeVarint(encoded, 0, bytes.length));
  return encoded;
}
