import { crc32c } from "@platformatic/kafka";
import { memoize } from "../../recording/memoize.ts";

/*
 * The body of a Produce request, versions 3 to 7, with one record batch of format 2 for each partition, as kafkajs' own
 * encoder makes it, but in one piece of memory of the right size. That one makes 512 bytes of zeros for each header of each
 * record: some 70 times for a small exchange; with what collected them again that was most of what delivery cost.
 */

export interface ProduceMessage {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string | Buffer>> | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp?: string | number | undefined;
}

export interface ProduceRequest {
  readonly acks: number;
  readonly timeout: number;
  readonly transactionalId?: string | null | undefined;
  /** A 64-bit integer, in whatever type prints it in decimal. */
  readonly producerId: { toString(): string };
  readonly producerEpoch: number;
  /** Kafka's number of it, 0 for none. */
  readonly compression: number;
  readonly topicData: readonly ProduceTopic[];
}

export interface ProduceTopic {
  readonly topic: string;
  readonly partitions: readonly ProducePartition[];
}

export interface ProducePartition {
  readonly partition: number;
  /** Sequence number of the first message. */
  readonly firstSequence: number;
  readonly messages: readonly ProduceMessage[];
}

/** Compresses records by Kafka's number of the compression. */
export type Compress = (compression: number, records: Buffer) => Promise<Buffer>;

const NULL_LENGTH = -1;
const MAGIC = 2;
const TRANSACTIONAL = 16;

/** partition INT32, the batch's length INT32. */
const PARTITION_HEAD = 8;
/** baseOffset INT64, batchLength INT32, partitionLeaderEpoch INT32, magic INT8, crc UINT32: what the checksum does not cover. */
const BATCH_HEAD = 21;
const CRC_AT = 17;
/**
 * attributes INT16, lastOffsetDelta INT32, baseTimestamp INT64, maxTimestamp INT64, producerId INT64, producerEpoch INT16,
 * baseSequence INT32, count of records INT32.
 */
const BATCH_BODY = 40;
/** Of the batch's length: baseOffset and itself. */
const NOT_COUNTED = 12;

export async function encodeProduceRequest(request: ProduceRequest, compress: Compress): Promise<Buffer> {
  const topics = [];
  for (const topic of request.topicData) {
    const partitions = [];
    for (const partition of topic.partitions) partitions.push(await planOf(partition, request, compress));
    topics.push({ topic: topic.topic, partitions });
  }
  const { transactionalId = null, acks, timeout } = request;
  let size = sizeOfString(transactionalId) + 2 + 4 + 4;
  for (const { topic, partitions } of topics) {
    size += sizeOfString(topic) + 4;
    for (const { recordsSize } of partitions) size += PARTITION_HEAD + BATCH_HEAD + BATCH_BODY + recordsSize;
  }
  const into = Buffer.allocUnsafe(size);
  let at = writeString(into, 0, transactionalId);
  at = into.writeInt16BE(acks, at);
  at = into.writeInt32BE(timeout, at);
  at = into.writeInt32BE(topics.length, at);
  for (const { topic, partitions } of topics) {
    at = writeString(into, at, topic);
    at = into.writeInt32BE(partitions.length, at);
    for (const plan of partitions) at = writePartition(into, at, plan, request);
  }
  return into;
}

/** What a partition's batch takes, found before it is written. */
interface PartitionPlan {
  readonly data: ProducePartition;
  readonly firstTimestamp: number;
  readonly maxTimestamp: number;
  /** Of each message. */
  readonly timestamps: readonly number[];
  /** Bytes of each record behind its length. */
  readonly sizes: readonly number[];
  readonly recordsSize: number;
  readonly compressed?: Buffer;
}

async function planOf(
  data: ProducePartition,
  { compression }: ProduceRequest,
  compress: Compress,
): Promise<PartitionPlan> {
  const now = Date.now();
  const timestamps = data.messages.map(({ timestamp }) => Number(timestamp ?? now));
  let firstTimestamp = timestamps[0] ?? now;
  let maxTimestamp = firstTimestamp;
  for (const timestamp of timestamps) {
    if (timestamp < firstTimestamp) firstTimestamp = timestamp;
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
  }
  const sizes = data.messages.map((message, index) =>
    sizeOfRecord(message, index, (timestamps[index] ?? 0) - firstTimestamp),
  );
  const recordsSize = sizes.reduce((sum, size) => sum + sizeOfVarint(size) + size, 0);
  const plan = { data, firstTimestamp, maxTimestamp, timestamps, sizes, recordsSize };
  if (compression === 0) return plan;
  const records = Buffer.allocUnsafe(recordsSize);
  writeRecords(records, 0, plan);
  const compressed = await compress(compression, records);
  return { ...plan, recordsSize: compressed.length, compressed };
}

function writePartition(into: Buffer, start: number, plan: PartitionPlan, request: ProduceRequest): number {
  const { data, firstTimestamp, maxTimestamp, recordsSize, compressed } = plan;
  const { producerId, producerEpoch, compression, transactionalId } = request;
  const batchSize = BATCH_HEAD + BATCH_BODY + recordsSize;
  const batch = into.writeInt32BE(batchSize, into.writeInt32BE(data.partition, start));
  let at = into.writeBigInt64BE(0n, batch);
  at = into.writeInt32BE(batchSize - NOT_COUNTED, at);
  at = into.writeInt32BE(0, at);
  at = into.writeInt8(MAGIC, at);
  at = batch + BATCH_HEAD;
  at = into.writeInt16BE(compression | (transactionalId ? TRANSACTIONAL : 0), at);
  at = into.writeInt32BE(data.messages.length - 1, at);
  at = into.writeBigInt64BE(BigInt(firstTimestamp), at);
  at = into.writeBigInt64BE(BigInt(maxTimestamp), at);
  at = into.writeBigInt64BE(BigInt(producerId.toString()), at);
  at = into.writeInt16BE(producerEpoch, at);
  at = into.writeInt32BE(data.firstSequence, at);
  at = into.writeInt32BE(data.messages.length, at);
  if (compressed === undefined) at = writeRecords(into, at, plan);
  else at += compressed.copy(into, at);
  into.writeUInt32BE(crc32c(into.subarray(batch + BATCH_HEAD, at)), batch + CRC_AT);
  return at;
}

function writeRecords(
  into: Buffer,
  start: number,
  { data, sizes, timestamps, firstTimestamp }: PartitionPlan,
): number {
  let at = start;
  for (const [index, message] of data.messages.entries()) {
    at = writeVarint(into, at, sizes[index] ?? 0);
    into[at++] = 0;
    at = writeVarint(into, at, (timestamps[index] ?? 0) - firstTimestamp);
    at = writeVarint(into, at, index);
    at = writeBytes(into, at, message.key);
    at = writeBytes(into, at, message.value);
    const { headers = {} } = message;
    let count = 0;
    for (const _ in headers) count += 1;
    at = writeVarint(into, at, count);
    for (const name in headers) {
      at += headerName(name).copy(into, at);
      at = writeBytes(into, at, headers[name] ?? "");
    }
  }
  return at;
}

function sizeOfRecord(
  { key, value, headers = {} }: ProduceMessage,
  offsetDelta: number,
  timestampDelta: number,
): number {
  let count = 0;
  let size = 1 + sizeOfVarint(timestampDelta) + sizeOfVarint(offsetDelta) + sizeOfBytes(key);
  size += sizeOfBytes(value);
  for (const name in headers) {
    count += 1;
    size += headerName(name).length + sizeOfBytes(headers[name] ?? "");
  }
  return size + sizeOfVarint(count);
}

/** A header's name with its length in front: there are some twenty, the same in each record. */
const headerName = memoize((name) => {
  const bytes = Buffer.from(name);
  const encoded = Buffer.alloc(sizeOfVarint(bytes.length) + bytes.length);
  bytes.copy(encoded, writeVarint(encoded, 0, bytes.length));
  return encoded;
});

function sizeOfBytes(value: string | Buffer | null): number {
  if (value === null) return sizeOfVarint(NULL_LENGTH);
  const length = typeof value === "string" ? Buffer.byteLength(value) : value.length;
  return sizeOfVarint(length) + length;
}

function writeBytes(into: Buffer, at: number, value: string | Buffer | null): number {
  if (value === null) return writeVarint(into, at, NULL_LENGTH);
  if (typeof value !== "string") {
    const from = writeVarint(into, at, value.length);
    return from + value.copy(into, from);
  }
  const from = writeVarint(into, at, Buffer.byteLength(value));
  return from + into.write(value, from);
}

function sizeOfString(value: string | null): number {
  return 2 + (value === null ? 0 : Buffer.byteLength(value));
}

function writeString(into: Buffer, at: number, value: string | null): number {
  if (value === null) return into.writeInt16BE(NULL_LENGTH, at);
  const from = into.writeInt16BE(Buffer.byteLength(value), at);
  return from + into.write(value, from);
}

/** Zigzag and seven bits a byte (Protocol Buffers' "Encoding"), of whole numbers within 52 bits: VARINT and VARLONG. */
function sizeOfVarint(value: number): number {
  let size = 1;
  for (let left = zigzag(value); left >= 0x80; left = Math.floor(left / 0x80)) size += 1;
  return size;
}

function writeVarint(into: Buffer, start: number, value: number): number {
  let at = start;
  let left = zigzag(value);
  for (; left >= 0x80; left = Math.floor(left / 0x80)) into[at++] = (left % 0x80) + 0x80;
  into[at++] = left;
  return at;
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}
