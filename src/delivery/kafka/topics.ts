import { setTimeout as delay } from "node:timers/promises";
import type { Admin, ITopicConfig, ITopicMetadata } from "kafkajs";
import type { KafkaConfig, TopicsConfig } from "../../config/kafka.ts";
import { MAX_BATCH_BYTES, SinkError } from "../sink.ts";
import type { KafkaLog } from "./client.ts";
import { explain } from "./errors.ts";
import { Connections, kafkajsConfig } from "./kafkajs.ts";
import { ConfigResourceTypes, Kafka } from "./kafkajs-mended.ts";
import { clientOptions } from "./open.ts";

/** What records are written to, as it is. */
export interface Topic {
  readonly name: string;
  readonly partitions: number;
  /** Bytes of records that a batch may have, by `recordBytes`. */
  readonly maxBatchBytes: number;
}

export type Topics = Readonly<Record<TopicRole, Topic>>;
export type TopicRole = (typeof ROLES)[number];

export const ROLES = ["events", "bodies", "control"] as const;

/** A topic that is there, as brokers describe it. */
export interface DescribedTopic {
  readonly role: TopicRole;
  readonly name: string;
  readonly partitions: ITopicMetadata["partitions"];
  readonly settings: ReadonlyMap<string, string>;
}

interface Requirements {
  /** Whether only the last record of a key is to be kept. */
  readonly compacted: boolean;
  /** The largest record, its headers included, in bytes. */
  readonly largestRecord: number;
}

const REQUIREMENTS: Readonly<Record<TopicRole, Requirements>> = {
  events: { compacted: false, largestRecord: 48 * 1024 },
  // A chunk has 256 KiB at most.
  bodies: { compacted: false, largestRecord: 272 * 1024 },
  control: { compacted: true, largestRecord: 48 * 1024 },
};

/** Kafka's default of max.message.bytes; said, since brokers may have another. */
const MAX_MESSAGE_BYTES = 1_048_588;
/** What a batch has besides its records: 61 bytes, and room. */
const BATCH_FRAMING = 1_024;
/** From so many replicas on, two have to have a record before it is acknowledged: one may be lost, and one more be away. */
const REPLICAS_FOR_TWO_IN_SYNC = 3;
/** Milliseconds between two looks at a topic that a broker does not know yet. */
const LAG = 50;

/**
 * Makes the topics that are missing, where the configuration lets it, and checks the others.
 *
 * @throws {SinkError} when that cannot be done, when one is missing, or when its settings would lose records.
 */
export async function prepareTopics(config: KafkaConfig, log: KafkaLog): Promise<Topics> {
  const options = await clientOptions(config, log);
  const connections = new Connections();
  const admin = new Kafka(kafkajsConfig(options, connections)).admin();
  const limit = config.connectTimeout + config.sendTimeout;
  // Without connections whatever it waits for rejects.
  const timer = setTimeout(() => connections.destroy(), limit);
  const explained = (error: unknown): SinkError => explain("the topics cannot be prepared", error, options);
  const isLagging = (error: unknown): boolean =>
    !connections.ended && ["topic-missing", "unreachable"].includes(explained(error).code);
  try {
    await admin.connect();
    await createMissing(admin, config.topics);
    return await untilKnown(() => check(admin, config.topics, log), isLagging);
  } catch (error) {
    if (!connections.ended) throw explained(error);
    const where = config.brokers.join(", ");
    throw new SinkError(
      "timeout",
      `the topics were not prepared within ${limit} ms by ${where}: do they hang?`,
      {
        cause: error,
      },
    );
  } finally {
    clearTimeout(timer);
    connections.destroy();
    await admin.disconnect();
  }
}

/** Brokers learn of a new topic one after the other, and any of them may be asked. */
async function untilKnown<T>(look: () => Promise<T>, isLagging: (error: unknown) => boolean): Promise<T> {
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!isLagging(error)) throw error;
      await delay(LAG);
    }
  }
}

async function createMissing(admin: Admin, config: TopicsConfig): Promise<void> {
  const existing = new Set(await admin.listTopics());
  const missing = ROLES.filter((role) => !existing.has(config[role]));
  if (missing.length === 0) return;
  if (!config.create) {
    const names = missing.map((role) => `${config[role]} (cleanup.policy=${cleanupPolicy(role)})`).join(", ");
    throw new SinkError(
      "topic-missing",
      `topics do not exist: ${names}. Make them, or set kafka.topics.create: true.`,
    );
  }
  const replicas = config.replicationFactor === -1 ? await defaultReplicas(admin) : config.replicationFactor;
  // One by one: another gateway may make the same ones meanwhile, which is well, and several at once would be one error.
  for (const role of missing)
    await admin.createTopics({ waitForLeaders: false, topics: [newTopic(role, config, replicas)] });
}

/** A topic as records need it. */
function newTopic(role: TopicRole, config: TopicsConfig, replicas: number): ITopicConfig {
  const settings = {
    "cleanup.policy": cleanupPolicy(role),
    "max.message.bytes": String(MAX_MESSAGE_BYTES),
    ...(replicas >= REPLICAS_FOR_TWO_IN_SYNC && { "min.insync.replicas": "2" }),
  };
  return {
    topic: config[role],
    numPartitions: role === "control" ? 1 : config.partitions,
    replicationFactor: config.replicationFactor,
    configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
  };
}

/**
 * Whether a topic could be made that is missing: nothing is.
 *
 * @returns false when it is there after all.
 * @throws the brokers' refusal.
 */
export async function couldCreate(admin: Admin, config: TopicsConfig, role: TopicRole): Promise<boolean> {
  const topics = [newTopic(role, config, config.replicationFactor)];
  return await admin.createTopics({ waitForLeaders: false, validateOnly: true, topics });
}

/** How many replicas a topic gets that does not say so; 1 where brokers do not tell. */
async function defaultReplicas(admin: Admin): Promise<number> {
  const { controller, brokers } = await admin.describeCluster();
  const id = controller ?? brokers[0]?.nodeId ?? 1;
  const name = "default.replication.factor";
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.BROKER, name: String(id), configNames: [name] }],
    });
    return Number(
      resources[0]?.configEntries.find(({ configName }) => configName === name)?.configValue ?? 1,
    );
  } catch {
    return 1;
  }
}

async function check(admin: Admin, config: TopicsConfig, log: KafkaLog): Promise<Topics> {
  const described = await describeTopics(admin, config, ROLES);
  const checked = described.map((topic) => {
    const maxBatchBytes = checkSettings(topic);
    const warning = replicasWarning(topic);
    if (warning !== undefined) log("warn", `${warning.what}: ${warning.mend}`, {});
    const { role, name, partitions } = topic;
    return [role, { name, partitions: partitions.length, maxBatchBytes }] as const;
  });
  return Object.fromEntries(checked) as Record<TopicRole, Topic>;
}

/** Asks brokers about topics. @throws when one of them is missing, or may not be looked at. */
export async function describeTopics(
  admin: Admin,
  config: TopicsConfig,
  roles: readonly TopicRole[],
): Promise<DescribedTopic[]> {
  const names = roles.map((role) => config[role]);
  const { topics } = await admin.fetchTopicMetadata({ topics: names });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name, configNames: SETTINGS })),
  });
  return roles.map((role) => {
    const name = config[role];
    const partitions = topics.find((topic) => topic.name === name)?.partitions ?? [];
    const entries = resources.find(({ resourceName }) => resourceName === name)?.configEntries ?? [];
    const settings = new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
    return { role, name, partitions, settings };
  });
}

const SETTINGS = ["cleanup.policy", "max.message.bytes", "min.insync.replicas", "retention.ms"];

/** What will lose records when a broker is lost; `undefined` when nothing will. */
export function replicasWarning({
  name,
  partitions,
  settings,
}: DescribedTopic): { readonly what: string; readonly mend: string } | undefined {
  const replicas = Math.min(...partitions.map((partition) => partition.replicas.length));
  if (replicas < REPLICAS_FOR_TWO_IN_SYNC || settings.get("min.insync.replicas") !== "1") return undefined;
  return {
    what: `topic ${name} acknowledges what one replica has`,
    mend: "set its min.insync.replicas to 2",
  };
}

/** @returns the bytes of records that a batch may have. @throws {SinkError} when settings would lose records. */
export function checkSettings({ role, name, settings }: DescribedTopic): number {
  const { compacted, largestRecord } = REQUIREMENTS[role];
  const policy = settings.get("cleanup.policy") ?? "";
  if (policy.split(",").includes("compact") !== compacted) {
    const why = compacted
      ? "the last state of each session has to be kept for ever"
      : "compaction keeps only the last record of each key, and would delete the others";
    throw unsuitable(role, name, `cleanup.policy=${policy}: ${why}`, `cleanup.policy=${cleanupPolicy(role)}`);
  }
  const bytes = Number(settings.get("max.message.bytes"));
  if (bytes < largestRecord + BATCH_FRAMING) {
    const why = `max.message.bytes=${bytes}: a record may have ${largestRecord} bytes`;
    throw unsuitable(role, name, why, `max.message.bytes=${MAX_MESSAGE_BYTES}`);
  }
  return Math.min(MAX_BATCH_BYTES, bytes - BATCH_FRAMING);
}

function cleanupPolicy(role: TopicRole): string {
  return REQUIREMENTS[role].compacted ? "compact" : "delete";
}

function unsuitable(role: TopicRole, name: string, why: string, mend: string): SinkError {
  return new SinkError(
    "topic-unsuitable",
    `topic ${name} has ${why}. Mend it with kafka-configs --alter --topic ${name} --add-config ${mend}, ` +
      `or name another in kafka.topics.${role}.`,
  );
}
