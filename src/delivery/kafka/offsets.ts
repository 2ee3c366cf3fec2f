import { setTimeout as delay } from "node:timers/promises";
import type { KafkaConfig } from "../../config/kafka.ts";
import type { KafkaLog } from "./client.ts";
import { explain } from "./errors.ts";
import { Connections, kafkajsConfig, READ_RETRY } from "./kafkajs.ts";
import { Kafka } from "./kafkajs-mended.ts";
import { clientOptions } from "./open.ts";

/** A partition as a consumer group finds it. */
export interface PartitionOffsets {
  readonly topic: string;
  readonly partition: number;
  /** Where the group goes on: behind what it has committed, or at the oldest record that there is. */
  readonly next: number;
  /** Behind the last record. */
  readonly end: number;
}

/**
 * Where a group stands in topics, and where these end now.
 *
 * @throws {SinkError} when Kafka does not tell.
 */
export async function groupOffsets(
  kafka: KafkaConfig,
  {
    topics,
    group,
    log,
  }: { readonly topics: readonly string[]; readonly group: string; readonly log: KafkaLog },
): Promise<PartitionOffsets[]> {
  const options = await clientOptions(kafka, log);
  const connections = new Connections();
  const admin = new Kafka({ ...kafkajsConfig(options, connections), retry: READ_RETRY }).admin();
  const timer = setTimeout(() => connections.destroy(), kafka.connectTimeout + kafka.sendTimeout);
  try {
    await admin.connect();
    const committed = await onceLoaded(() => admin.fetchOffsets({ groupId: group, topics: [...topics] }));
    const offsets: PartitionOffsets[] = [];
    for (const topic of topics) {
      const known = committed.find((each) => each.topic === topic)?.partitions ?? [];
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        const own = Number(known.find((each) => each.partition === partition)?.offset ?? -1);
        offsets.push({ topic, partition, next: Math.max(own, Number(low)), end: Number(high) });
      }
    }
    return offsets;
  } catch (error) {
    throw explain(`offsets of ${topics.join(", ")} cannot be read`, error, options);
  } finally {
    clearTimeout(timer);
    await admin.disconnect().catch(() => undefined);
    connections.destroy();
  }
}

/** Milliseconds between two questions, and how many there are at most: the timer above ends them as well. */
const PAUSE = 250;
const QUESTIONS = 40;

/**
 * Asks again while the group's coordinator still reads what it has to know, as it does for a group that it has just become
 * responsible for. kafkajs's admin client does not.
 */
async function onceLoaded<T>(ask: () => Promise<T>): Promise<T> {
  for (let question = 1; ; question++) {
    try {
      return await ask();
    } catch (error) {
      const type = error instanceof Error && "type" in error ? error.type : undefined;
      if (type !== "GROUP_LOAD_IN_PROGRESS" || question === QUESTIONS) throw error;
      await delay(PAUSE);
    }
  }
}
