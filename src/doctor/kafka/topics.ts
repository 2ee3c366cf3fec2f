import type { Admin } from "kafkajs";
import { count, formatDuration } from "../../archive/print/quantities.ts";
import type { TopicsConfig } from "../../config/kafka.ts";
import type { KafkaClientOptions } from "../../delivery/kafka/client.ts";
import { explain } from "../../delivery/kafka/errors.ts";
import {
  checkSettings,
  couldCreate,
  type DescribedTopic,
  describeTopics,
  ROLES,
  replicasWarning,
  type TopicRole,
} from "../../delivery/kafka/topics.ts";
import { SinkError } from "../../delivery/sink.ts";
import { type Finding, fail, ok, warn } from "../check.ts";
import { inHalves } from "./brokers.ts";

type Part = "topics";

const DAY = 86_400_000;
/** Days that readers may be away without missing something: a long weekend. */
const AWAY = 3;

export interface LookedAt {
  readonly findings: readonly Finding<Part>[];
  /** Names of those that are there. */
  readonly there: readonly string[];
}

/** The topics as delivery asks for them; none is made. */
export async function lookAtTopics(
  admin: Admin,
  config: TopicsConfig,
  options: KafkaClientOptions,
): Promise<LookedAt> {
  const existing = new Set(await admin.listTopics());
  const findings: Finding<Part>[] = [];
  for (const role of ROLES) {
    try {
      findings.push(
        ...(existing.has(config[role])
          ? await described(admin, config, role)
          : [await missing(admin, config, role)]),
      );
    } catch (error) {
      findings.push(failed(error, `topic ${config[role]} cannot be looked at`, options));
    }
  }
  return { findings, there: ROLES.map((role) => config[role]).filter((name) => existing.has(name)) };
}

function failed(error: unknown, what: string, options: KafkaClientOptions): Finding<Part> {
  const { message } = error instanceof SinkError ? error : explain(what, error, options);
  const { summary, fix } = inHalves(message);
  return fail("topics", summary, fix);
}

async function missing(admin: Admin, config: TopicsConfig, role: TopicRole): Promise<Finding<Part>> {
  const name = config[role];
  const policy = role === "control" ? "compact" : "delete";
  if (!config.create) {
    const partitions = role === "control" ? 1 : config.partitions;
    const fix = `kafka-topics --create --topic ${name} --partitions ${partitions} --config cleanup.policy=${policy}, or set kafka.topics.create: true`;
    return fail("topics", `topic ${name} is not there, or may not be described`, fix);
  }
  if (await couldCreate(admin, config, role))
    return ok("topics", `topic ${name} is not there yet: the gateway may make it, and does at its start`);
  const fix = `let this user Describe, DescribeConfigs and Write ${name} (kafka-acls)`;
  return fail("topics", `topic ${name} is there, and this user may not describe it`, fix);
}

async function described(admin: Admin, config: TopicsConfig, role: TopicRole): Promise<Finding<Part>[]> {
  const [topic] = await describeTopics(admin, config, [role]);
  if (topic === undefined) return [];
  // Throws what would lose records.
  checkSettings(topic);
  const troubles = [...partitionTroubles(topic), ...settingTroubles(topic)];
  if (troubles.length > 0) return troubles;
  const { name, partitions, settings } = topic;
  const detail = [...settings].map(([key, value]) => `${key}=${value}`).join("\n");
  return [
    ok("topics", `topic ${name}: ${count(partitions.length, "partition")}, as delivery needs it`, detail),
  ];
}

function* partitionTroubles({ name, partitions, settings }: DescribedTopic): Generator<Finding<Part>> {
  const without = partitions.filter(({ leader }) => leader < 0).length;
  if (without > 0) {
    const fix = "bring the brokers back that hold them (kafka-topics --describe --unavailable-partitions)";
    yield fail("topics", `topic ${name}: ${without} of ${partitions.length} partitions have no leader`, fix);
    return;
  }
  const least = Number(settings.get("min.insync.replicas") ?? 1);
  const few = partitions.filter(({ isr }) => isr.length < least).length;
  if (few > 0) {
    const fix = `bring the brokers back that hold its replicas, or lower min.insync.replicas of ${name}`;
    yield fail(
      "topics",
      `topic ${name}: ${few} of ${partitions.length} partitions have fewer than ${least} replicas in sync, so nothing is acknowledged`,
      fix,
    );
  }
}

function* settingTroubles(topic: DescribedTopic): Generator<Finding<Part>> {
  const { role, name, settings } = topic;
  const replicas = replicasWarning(topic);
  if (replicas !== undefined)
    yield warn(
      "topics",
      replicas.what,
      `${replicas.mend}: kafka-configs --alter --topic ${name} --add-config min.insync.replicas=2`,
    );
  const retention = Number(settings.get("retention.ms") ?? -1);
  if (role !== "control" && retention >= 0 && retention < AWAY * DAY) {
    const fix = `kafka-configs --alter --topic ${name} --add-config retention.ms=${7 * DAY}`;
    yield warn(
      "topics",
      `topic ${name} keeps records for ${formatDuration(retention)}: readers that are away for longer miss some`,
      fix,
    );
  }
}
