import type { RetryOptions } from "kafkajs";
import type { KafkaConfig } from "../../config/kafka.ts";
import type { ConsumedRecord } from "../records/read.ts";
import type { KafkaLog } from "./client.ts";
import { explain } from "./errors.ts";
import { Connections, kafkajsConfig, READ_RETRY } from "./kafkajs.ts";
import { Kafka } from "./kafkajs-mended.ts";
import { clientOptions } from "./open.ts";

export interface ConsumeOptions {
  readonly kafka: KafkaConfig;
  readonly topics: readonly string[];
  /** Consumers of one group share the partitions. */
  readonly group: string;
  /** Whether a group that is new begins with the oldest records, or with those that come from now on. */
  readonly fromBeginning: boolean;
  readonly log: KafkaLog;
  /** How often the library tries again by itself. Default: for as long as a group's coordinator may take to be found. */
  readonly retry?: RetryOptions;
  /**
   * Takes records of one partition, in order; the next ones come when it resolves. One that takes long has to tell the group
   * now and then, by `heartbeat`, that it is alive, or its partitions go to others.
   */
  readonly onRecords: (
    records: readonly PlacedRecord[],
    from: Partition,
    heartbeat: () => Promise<void>,
  ) => Promise<void>;
  /** Told when partitions have been assigned: which, and how their offsets are committed. */
  readonly onAssigned?: (assigned: readonly Partition[], commit: Commit) => void;
  /** Called at the end, when offsets can still be committed. */
  readonly onEnd?: () => Promise<void>;
}

export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

export interface PlacedRecord extends ConsumedRecord {
  readonly offset: number;
}

/** @param offsets the first that has not been dealt with, of each partition. */
export type Commit = (offsets: readonly (Partition & { readonly offset: number })[]) => Promise<void>;

/** Milliseconds that a broker holds a request for records when there are none. */
const MAX_WAIT = 100;

/**
 * Reads topics until the signal is aborted. Offsets are committed by whoever takes the records, or not at all.
 *
 * @throws {SinkError} when it cannot.
 */
export async function consume(options: ConsumeOptions, signal: AbortSignal): Promise<void> {
  const { kafka, topics, group, fromBeginning, log, retry = READ_RETRY, onRecords } = options;
  const { onAssigned, onEnd } = options;
  const client = await clientOptions(kafka, log);
  // No listener hears of an abort that was before it.
  if (signal.aborted) return;
  const connections = new Connections();
  const tries = { ...retry, restartOnFailure: async () => !signal.aborted };
  const consumer = new Kafka({ ...kafkajsConfig(client, connections), retry: tries }).consumer({
    groupId: group,
    maxWaitTimeInMs: MAX_WAIT,
    allowAutoTopicCreation: false,
  });
  const { promise: over, resolve, reject } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  consumer.on("consumer.crash", ({ payload }) => {
    // What passes, such as a coordinator that has just moved, it tries again by itself.
    if (!payload.restart) reject(payload.error);
  });
  const commit: Commit = (offsets) =>
    consumer.commitOffsets(
      offsets.map(({ offset, ...partition }) => ({ ...partition, offset: String(offset) })),
    );
  consumer.on("consumer.group_join", ({ payload: { memberAssignment } }) => {
    const assigned = Object.entries(memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    onAssigned?.(assigned, commit);
  });
  const start = async (): Promise<void> => {
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning });
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch: { topic, partition, messages }, heartbeat }) => {
        const records = messages.map(({ offset, key, value, headers }) => ({
          ...{ offset: Number(offset), key, value, headers },
        }));
        return onRecords(records, { topic, partition }, heartbeat);
      },
    });
  };
  let running = false;
  try {
    // Without brokers it tries for seconds, and whoever ends it does not wait for that. What it fails with before is thrown
    // here; afterwards it can only be that its connections were destroyed below.
    await Promise.race([start().then(() => (running = true)), over]);
    await over;
    await onEnd?.();
  } catch (error) {
    throw explain(`topics ${topics.join(", ")} cannot be read`, error, client);
  } finally {
    if (!running) connections.destroy();
    // Whether it could leave its group kafkajs keeps to itself; what is left to fail is the end of connections, which comes next.
    await consumer.disconnect().catch(() => undefined);
    connections.destroy();
  }
}
