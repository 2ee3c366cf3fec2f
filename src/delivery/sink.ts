import type { RecordBatch } from "./record-batch.ts";

/*
 * Where delivery puts records. A sink is used up by its first failure: what became of the records is then unknown, and
 * the only safe way on is a new sink and the records again from the last acknowledged one. Records carry an id that makes
 * them once in effect.
 */

export interface SinkRecord {
  /** Records of one key keep their order, as long as they go to one partition. */
  readonly key: string;
  /** Zero length is a value of its own; `null` takes the key out of a compacted topic. */
  readonly value: Buffer | string | null;
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
   * Resolves when every in-sync replica has the records; takes no longer than the sink's deadline. The batch is not to
   * be changed until then.
   *
   * @throws {SinkError} Whatever the code: some, all or none of the records may be there, the sink is spent.
   */
  sendBatch(topic: string, partition: number, batch: RecordBatch): Promise<void>;
  /** Ends every connection at once; what is outstanding rejects. Never rejects, and may be called at any time. */
  close(): Promise<void>;
}

/** Brokers take a batch of 1,048,588 bytes unless they are told otherwise. */
export const MAX_BATCH_BYTES = 900 * 1024;

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
