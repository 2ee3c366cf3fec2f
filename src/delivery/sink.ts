/*
 * Where delivery puts records. A sink is used up by its first failure: what became of the records is then unknown, and
 * the only safe way on is a new sink and the records again from the last acknowledged one. Records carry an id that makes
 * them once in effect.
 */

export interface SinkRecord {
  /** Records of one key keep their order, as long as they go to one partition. */
  readonly key: string;
  /** Zero length is a value of its own, never an absent one. */
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/**
 * Takes batches of records, in order within a partition of a topic. The caller has at most one `sendBatch` outstanding per
 * partition; batches for different partitions go side by side.
 */
export interface Sink {
  /**
   * To be called once, before anything else.
   *
   * @throws {SinkError} when it cannot; the sink is then spent.
   */
  connect(): Promise<void>;
  /**
   * How many partitions a topic has now.
   *
   * @throws {SinkError} `topic-missing` among others; the sink is then spent.
   */
  partitions(topic: string): Promise<number>;
  /**
   * Resolves when every in-sync replica has the records; takes no longer than the sink's deadline. The records are not to
   * be changed until then, and at most {@link MAX_BATCH_BYTES} by {@link recordBytes}.
   *
   * @throws {SinkError} Whatever the code: some, all or none of the records may be there, the sink is spent.
   */
  sendBatch(topic: string, partition: number, records: readonly SinkRecord[]): Promise<void>;
  /** Ends every connection at once; what is outstanding rejects. Never rejects, and may be called at any time. */
  close(): Promise<void>;
}

/** Brokers take a batch of 1,048,588 bytes unless they are told otherwise; what is left is for its framing. */
export const MAX_BATCH_BYTES = 900 * 1024;

/** Bytes of framing that a record (length, attributes, offsets, counts) and each of its headers has at most. */
const RECORD_FRAMING = 32;
const HEADER_FRAMING = 8;

/** What a record takes of a batch at most, uncompressed. */
export function recordBytes({ key, value, headers }: SinkRecord): number {
  let bytes = RECORD_FRAMING + Buffer.byteLength(key) + value.length;
  for (const name in headers)
    bytes += HEADER_FRAMING + Buffer.byteLength(name) + Buffer.byteLength(headers[name] ?? "");
  return bytes;
}

export const sinkErrorCodes = [
  /** What the configuration names (a file, a secret, a token) is not to be had or makes no sense. */
  "misconfigured",
  /** No connection, or one that broke. */
  "unreachable",
  /** No certificate that both sides accept, or only one side speaks TLS. */
  "tls",
  /** The other side does not take the credentials. */
  "authentication",
  /** It knows who this is, and does not allow it. */
  "authorization",
  /** The topic, or the partition, does not exist. */
  "topic-missing",
  /** The topic's settings would lose or refuse records. */
  "topic-unsuitable",
  /** A batch that the topic does not take. */
  "too-large",
  /** Too few replicas are in sync to acknowledge anything. */
  "too-few-replicas",
  /** No answer before the deadline. */
  "timeout",
  /** The sink had failed before, and is used up. */
  "spent",
  /** {@link Sink.close} was called. */
  "closed",
  /** Any other refusal; the message quotes it. */
  "refused",
] as const;

export type SinkErrorCode = (typeof sinkErrorCodes)[number];

/** Why a sink failed: the message says what, where, and how to mend it. */
export class SinkError extends Error {
  override readonly name = "SinkError";
  readonly code: SinkErrorCode;

  constructor(code: SinkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
