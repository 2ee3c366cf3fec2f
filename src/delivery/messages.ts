import type { KafkaConfig } from "../config/kafka.ts";
import type { KafkaLog } from "./kafka/client.ts";
import type { SinkErrorCode } from "./sink.ts";

/** A journal that is being written, and what is shared with its writer: one 64-bit integer each. */
export interface LiveJournal {
  /** The name of its folder: `0`, `1`, … */
  readonly name: string;
  readonly directory: string;
  /** The position up to which the journal is written. The writer stores it and notifies. */
  readonly end: SharedArrayBuffer;
  /** The position up to which Kafka has acknowledged it. Delivery stores it and notifies. */
  readonly acknowledged: SharedArrayBuffer;
}

/**
 * - `starting`: nothing is known of Kafka yet;
 * - `delivering`: what is recorded is on its way, or there already;
 * - `waiting`: something failed, `reason` says what; it is tried again, for as long as it takes. The journal keeps what is
 *   recorded meanwhile;
 * - `closed`.
 */
export type DeliveryState =
  | { readonly type: "starting" | "delivering" | "closed" }
  | { readonly type: "waiting"; readonly code: SinkErrorCode | "failed"; readonly reason: string };

/** How far the delivery of a journal is on the disk. */
export interface Progress {
  readonly name: string;
  /** Up to where the journal may be unlinked. */
  readonly trimmable: number;
}

/** What Kafka has acknowledged since the worker started, and how often something failed. */
export interface DeliveryCounts {
  readonly batches: number;
  readonly records: number;
  /** Of batches, before they are compressed. */
  readonly bytes: number;
  readonly failures: number;
}

/** What the worker is started with. */
export interface WorkerInput {
  readonly dataDir: string;
  /** `bqtape://<UUID>` */
  readonly gateway: string;
  readonly kafka: KafkaConfig;
  readonly journals: readonly LiveJournal[];
  /** Milliseconds that records may gather. */
  readonly linger: number;
}

export type FromWorker =
  | { readonly type: "state"; readonly state: DeliveryState }
  | { readonly type: "progress"; readonly progress: readonly Progress[] }
  | { readonly type: "counts"; readonly counts: DeliveryCounts }
  /** Kafka, as it is configured, would lose or refuse records: the worker ends. */
  | { readonly type: "refused"; readonly code: SinkErrorCode; readonly message: string }
  /** The worker has done what it could, and can be let go. */
  | { readonly type: "ended" }
  /** Something on this side failed; it is tried again. */
  | { readonly type: "error"; readonly message: string }
  | {
      readonly type: "log";
      readonly level: Parameters<KafkaLog>[0];
      readonly message: string;
      readonly details: Readonly<Record<string, string>>;
    };

/** `close`: go on to the journals' ends for so many milliseconds at most, then end. */
export type ToWorker = { readonly type: "close"; readonly timeout: number };
