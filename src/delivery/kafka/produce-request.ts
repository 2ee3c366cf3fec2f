import type { Producer, RecordBatch } from "../record-batch.ts";

/*
 * A Produce request, versions 3 to 7, with one record batch for each partition, as kafkajs' own encoder makes it, but in the
 * memory in which the batches are already. That one makes 512 bytes of zeros for each header of each record, some 70 times for a small
 * exchange, and copies all of them five times; with what collected them again that was most of what delivery cost.
 */

export interface ProduceRequest extends Omit<Producer, "firstSequence"> {
  readonly acks: number;
  readonly timeout: number;
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
  readonly messages: RecordBatch;
}

/** What stands in front of every request: version 1 of the request header. */
export interface RequestHead {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string;
}

/** The transactional id: the length that stands for none. */
const NO_TRANSACTION = -1;
/** partition INT32, the batch's length INT32. */
const PARTITION_HEAD = 8;

/** Compresses records by Kafka's number of the compression. */
export type Compress = (compression: number, records: Buffer) => Promise<Buffer>;

/** The whole request, its size in front, in pieces: one for each batch, where that is. */
export async function encodeProduceRequest(
  head: RequestHead,
  request: ProduceRequest,
  compress: Compress,
): Promise<[Buffer, ...Buffer[]]> {
  const { acks, timeout, compression, topicData } = request;
  const pieces: Buffer[] = [];
  let room = sizeOfHead(head) + 2 + 2 + 4 + 4;
  for (const { topic, partitions } of topicData) {
    room += sizeOfString(topic) + 4;
    for (const { partition, firstSequence, messages } of partitions) {
      room += PARTITION_HEAD;
      const { records } = messages;
      const compressed =
        compression === 0 ? undefined : { type: compression, bytes: await compress(compression, records) };
      const { producerId, producerEpoch } = request;
      const piece = messages.framed(room, { producerId, producerEpoch, firstSequence }, compressed);
      piece.writeInt32BE(piece.length - room, piece.writeInt32BE(partition, room - PARTITION_HEAD));
      pieces.push(piece);
      room = 0;
    }
  }
  const [first, ...others] = pieces;
  if (first === undefined) throw new TypeError("a request has one batch at least");
  let at = writeHead(
    first,
    head,
    pieces.reduce((sum, { length }) => sum + length, 0),
  );
  at = first.writeInt16BE(NO_TRANSACTION, at);
  at = first.writeInt16BE(acks, at);
  at = first.writeInt32BE(timeout, at);
  at = first.writeInt32BE(topicData.length, at);
  let next = 0;
  for (const { topic, partitions } of topicData) {
    const piece = pieces[next] ?? first;
    at = writeString(piece, next === 0 ? at : 0, topic);
    piece.writeInt32BE(partitions.length, at);
    next += partitions.length;
  }
  return [first, ...others];
}

/** Any other request's whole, around what it is made of. */
export function encodeRequest(head: RequestHead, payload: Buffer): Buffer {
  const size = sizeOfHead(head);
  const into = Buffer.allocUnsafe(size + payload.length);
  writeHead(into, head, into.length);
  payload.copy(into, size);
  return into;
}

/** Size INT32, api key INT16, version INT16, correlation id INT32, client id STRING. */
function sizeOfHead({ clientId }: RequestHead): number {
  return 4 + 2 + 2 + 4 + sizeOfString(clientId);
}

/** @param length of the whole request, with the size in front. */
function writeHead(
  into: Buffer,
  { apiKey, apiVersion, correlationId, clientId }: RequestHead,
  length: number,
): number {
  let at = into.writeInt32BE(length - 4, 0);
  at = into.writeInt16BE(apiKey, at);
  at = into.writeInt16BE(apiVersion, at);
  at = into.writeInt32BE(correlationId, at);
  return writeString(into, at, clientId);
}

function sizeOfString(value: string): number {
  return 2 + Buffer.byteLength(value);
}

function writeString(into: Buffer, at: number, value: string): number {
  const from = into.writeInt16BE(Buffer.byteLength(value), at);
  return from + into.write(value, from);
}
