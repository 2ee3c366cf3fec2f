import type { KafkaConfig } from "../../config/kafka.ts";
import type { RecordBatch } from "../record-batch.ts";
import type { Login, TlsMaterial } from "./secrets.ts";

/**
 * What a library has to do for a {@link KafkaSink}, which sees to deadlines, states and errors: a client fails with whatever
 * its library throws, and is destroyed after the first failure.
 */
export interface KafkaClient {
  /** Resolves when it has an idempotent producer: one with a producer id. */
  connect(): Promise<void>;
  partitions(topic: string): Promise<number>;
  /**
   * `acks: -1`. Resolves with the partitions that acknowledged, by the broker's answer: where a partition does not exist, one
   * library sends nothing and is content, another sends elsewhere.
   */
  send(topic: string, partition: number, batch: RecordBatch): Promise<readonly number[]>;
  /** Ends every connection at once, and lets none begin any more: a send that is still retried inside must not go on. */
  destroy(): Promise<void>;
}

export interface KafkaClientOptions
  extends Pick<KafkaConfig, "brokers" | "clientId" | "compression" | "sendTimeout" | "connectTimeout"> {
  readonly tls: TlsMaterial | undefined;
  readonly login: Login | undefined;
  readonly log: KafkaLog;
}

/** What a library has to say, for the operator's log. */
export type KafkaLog = (level: "error" | "warn" | "info" | "debug", message: string, details: object) => void;
