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
  /** Records behind what the group has committed that Kafka has deleted since. */
  readonly missed: number;
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
    const committed = await whenLoaded(() => admin.fetchOffsets({ groupId: group, topics: [...topics] }));
    const offsets: PartitionOffsets[] = [];
    for (const topic of topics) {
      const known = committed.find((each) => each.topic === topic)?.partitions ?? [];
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        const own = Number(known.find((each) => each.partition === partition)?.offset ?? -1);
        const missed = own < 0 ? 0 : Math.max(0, Number(low) - own);
        offsets.push({ topic, partition, next: Math.max(own, Number(low)), end: Number(high), missed });
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

/** Of a group's coordinator that is being found, moves, or loads its groups. */
const COORDINATOR: ReadonlySet<string> = new Set([
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "GROUP_LOAD_IN_PROGRESS",
  "NOT_COORDINATOR_FOR_GROUP",
]);

/** Milliseconds between two questions to such a coordinator; how often it is asked. */
const LOADING = { pause: 250, tries: 40 };

/** Asks again while a coordinator is not ready, just after a broker's start or its move: kafkajs does so for consumers alone. */
async function whenLoaded<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      const passes = error instanceof Error && "type" in error && COORDINATOR.has(String(error.type));
      if (!passes || tries === LOADING.tries) throw error;
      await delay(LOADING.pause);
    }
  }
}
