import type { Producer } from "kafkajs";
import type { RecordBatch } from "../record-batch.ts";
import type { BatchMessage } from "./kafkajs-mended.ts";

/** Bytes of batches in one request at most. Brokers take 100 MB unless they are told otherwise (socket.request.max.bytes). */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

interface Waiting {
  readonly topic: string;
  readonly message: BatchMessage;
  readonly resolve: (acknowledged: readonly number[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What of a send is the same for all. */
export type SendOptions = Pick<
  Parameters<Producer["sendBatch"]>[0] & object,
  "acks" | "timeout" | "compression"
>;

const NO_BYTES = Buffer.alloc(0);

/**
 * Sends what is handed in within one turn as one request to each broker: kafkajs has one request outstanding for each, and a
 * request of its own for each partition would cost as much as the records in it.
 */
export class GatheredSends {
  readonly #producer: Producer;
  readonly #options: SendOptions;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(producer: Producer, options: SendOptions) {
    this.#producer = producer;
    this.#options = options;
  }

  /** Resolves with the partitions of the topic that acknowledged: this one, if it exists. */
  send(topic: string, partition: number, batch: RecordBatch): Promise<readonly number[]> {
    const { length } = batch.records;
    if (this.#bytes + length > MAX_REQUEST_BYTES) this.#flush();
    if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
    this.#bytes += length;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ topic, message: { value: NO_BYTES, partition, batch }, resolve, reject });
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#bytes = 0;
    const topicMessages = [...Map.groupBy(waiting, ({ topic }) => topic)].map(([topic, sends]) => ({
      topic,
      messages: sends.map(({ message }) => message),
    }));
    this.#producer.sendBatch({ ...this.#options, topicMessages }).then(
      (acknowledged) => {
        for (const { topic, message, resolve } of waiting) {
          const its = acknowledged.filter(
            (one) => one.topicName === topic && one.partition === message.partition,
          );
          resolve(its.map(({ partition }) => partition));
        }
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}
