import { setTimeout as delay } from "node:timers/promises";
import type { Admin, PartitionReassignment } from "kafkajs";
import { withAdmin } from "./read.ts";

/** Milliseconds between two looks. */
const LOOK = 50;

/**
 * Takes every partition away from the broker that leads it, as an operator does who empties a broker; resolves when another
 * one leads each of them.
 */
export async function moveLeaders(brokers: readonly string[], topics: readonly string[]): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    const before = await partitionsOf(admin, topics);
    await reassign(
      admin,
      before.map(({ leader, replicas, ...partition }) => ({
        ...partition,
        replicas: replicas.filter((id) => id !== leader),
      })),
    );
    const isMoved = async (): Promise<boolean> => {
      const now = await partitionsOf(admin, topics);
      return now.every(({ leader }, at) => leader >= 0 && leader !== before[at]?.leader);
    };
    while (!(await isMoved())) await delay(LOOK);
  });
}

/** Gives each partition a replica on each of so many brokers again, led as it is; resolves when all are in sync. */
export async function spreadReplicas(
  brokers: readonly string[],
  topics: readonly string[],
  ids: readonly number[],
): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    await reassign(
      admin,
      (await partitionsOf(admin, topics)).map(({ leader, ...partition }) => ({
        ...partition,
        replicas: [leader, ...ids.filter((id) => id !== leader)],
      })),
    );
    const areInSync = async (): Promise<boolean> =>
      (await partitionsOf(admin, topics)).every(({ inSync }) => inSync.length === ids.length);
    while (!(await areInSync())) await delay(LOOK);
  });
}

interface PlacedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

async function partitionsOf(admin: Admin, names: readonly string[]): Promise<PlacedPartition[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
  return topics
    .flatMap(({ name, partitions }) =>
      partitions.map(({ partitionId, leader, replicas, isr }) => ({
        ...{ topic: name, partition: partitionId, leader, replicas, inSync: isr },
      })),
    )
    .sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);
}

async function reassign(
  admin: Admin,
  wanted: readonly { readonly topic: string; readonly partition: number; readonly replicas: number[] }[],
): Promise<void> {
  const topics = new Map<string, PartitionReassignment>();
  for (const { topic, ...assignment } of wanted) {
    const known = topics.get(topic) ?? { topic, partitionAssignment: [] };
    known.partitionAssignment.push(assignment);
    topics.set(topic, known);
  }
  await admin.alterPartitionReassignments({ topics: [...topics.values()] });
}
