import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Child } from "../processes/children.ts";
import { profilingOf } from "../profile/profiling.ts";
import { BIGQUERY_HOST, STORAGE_HOST } from "../wire.ts";
import type { Peer, RunningPeer, Surroundings } from "./peer.ts";

export const KAFKA_CLIENTS = ["kafkajs", "platformatic"] as const;
export type KafkaClientName = (typeof KAFKA_CLIENTS)[number];

export interface BqtapeVariant {
  readonly name: string;
  readonly about: string;
  readonly commitRequest: "written" | "fsync" | "kafka";
  readonly archive: boolean;
  /** The client that delivers to Kafka; absent: nothing does. */
  readonly kafka?: KafkaClientName;
  readonly parts: Peer["parts"];
  /** The tree that is run. */
  readonly tree: string;
}

/** The tree that this package is in. */
export const OWN_TREE = fileURLToPath(new URL("../../..", import.meta.url));

/** Milliseconds for it to be ready, and between two looks. */
const START_LIMIT = 30_000;
const LOOK = 25;

/** The gateway itself, as `bqtape serve` runs it. */
function bqtape(variant: BqtapeVariant): Peer {
  return {
    name: variant.name,
    about: variant.about,
    parts: variant.parts,
    tree: variant.tree,
    ...(variant.kafka !== undefined && { needsKafka: true }),
    start: (surroundings) => startBqtape(variant, surroundings),
  };
}

/** This tree, then others, which go by their folders' names. */
export function treesWithNames(otherTrees: readonly string[]): (readonly [tree: string, name: string])[] {
  const others = otherTrees.map((tree) => [resolve(tree), basename(resolve(tree))] as const);
  return [[OWN_TREE, "bqtape"] as const, ...others];
}

/** Their gateways. */
export function bqtapePeers(otherTrees: readonly string[]): Peer[] {
  return treesWithNames(otherTrees).flatMap(([tree, name]) => variants(tree, name));
}

/** Where a request is forwarded once Kafka has it. */
export const committedToKafka: Peer = bqtape({
  name: "bqtape-acknowledged",
  about: "everything recorded, a request is forwarded once Kafka has it",
  commitRequest: "kafka",
  archive: false,
  kafka: "kafkajs",
  parts: [],
  tree: OWN_TREE,
});

function variants(tree: string, prefix: string): Peer[] {
  const journal = "everything recorded, a request is forwarded once it is";
  return [
    bqtape({
      name: `${prefix}-written`,
      about: `${journal} written to the journal; no sink`,
      commitRequest: "written",
      archive: false,
      parts: ["kept", "per-query", "bodies", "memory"],
      tree,
    }),
    bqtape({
      name: `${prefix}-fsync`,
      about: `${journal} on the disk; no sink`,
      commitRequest: "fsync",
      archive: false,
      parts: ["kept", "per-query", "bodies", "memory", "steady"],
      tree,
    }),
    bqtape({
      name: `${prefix}-archive`,
      about: `${journal} on the disk; with the embedded archive, until it has caught up`,
      commitRequest: "fsync",
      archive: true,
      parts: ["kept", "per-query", "bodies"],
      tree,
    }),
    ...(["kafkajs", "platformatic"] as const).map((client) =>
      bqtape({
        name: client === "kafkajs" ? `${prefix}-kafka` : `${prefix}-kafka-${client}`,
        about: `${journal} on the disk; delivered to Kafka by ${client}, until it has caught up`,
        commitRequest: "fsync",
        archive: false,
        kafka: client,
        parts: client === "kafkajs" ? ["kept", "steady"] : ["steady"],
        tree,
      }),
    ),
  ];
}

async function startBqtape(variant: BqtapeVariant, surroundings: Surroundings): Promise<RunningPeer> {
  const { directory, joins, kafka, topics } = surroundings;
  const configFile = join(directory, "bqtape.yaml");
  // YAML 1.2 holds all of JSON.
  writeFileSync(configFile, JSON.stringify(configuration(variant, surroundings), null, 2));
  const profiling = profilingOf(surroundings);
  const args = [
    ...profiling.nodeOptions,
    ...[join(variant.tree, "src", "main.ts"), "serve", "--config", configFile],
  ];
  const { env } = profiling;
  const child = Child.program(process.execPath, args, { directory, name: variant.name, joins, env });
  const { proxy, control } = await ready(child);
  const port = Number(proxy.slice(proxy.lastIndexOf(":") + 1));
  const target = {
    via: "connect",
    port,
    ca: readFileSync(join(directory, "ca.pem"), "utf8"),
  } as const;
  return {
    pid: child.pid,
    rest: target,
    storage: target,
    metrics: `http://${control}/metrics`,
    ...(variant.kafka !== undefined &&
      kafka !== undefined && { events: { brokers: kafka, topic: topics.events } }),
    ...(surroundings.profileTo !== undefined && { toggleProfile: () => child.signal("SIGUSR2") }),
    stop: () => child.stop(),
  };
}

function configuration(
  { commitRequest, archive, kafka: client, tree }: BqtapeVariant,
  surroundings: Surroundings,
): object {
  const { directory, upstream, upstreamCaFile, keyFile, kafka: brokers, topics } = surroundings;
  return {
    proxy: { listen: "127.0.0.1:0" },
    control: { listen: "127.0.0.1:0" },
    dataDir: join(directory, "data"),
    ca: { cert: join(directory, "ca.pem"), key: join(directory, "ca.key") },
    identity: { loopback: true },
    credential: { type: "service-account", keyFile },
    upstream: {
      overrides: {
        [BIGQUERY_HOST]: `https://127.0.0.1:${upstream.rest}`,
        [STORAGE_HOST]: `https://127.0.0.1:${upstream.storage}`,
      },
      caFile: upstreamCaFile,
    },
    // Without a sink nothing is let go: room for all that a run records.
    recording: { commitRequest, journal: { maxBytes: "64GiB" } },
    archive: { enabled: archive },
    // The others log nothing, either. Trees from before there were such lines do not know the key.
    ...(existsSync(join(tree, "src", "logging")) && { log: { exchanges: false } }),
    ...(client !== undefined && { kafka: { brokers, client, topics } }),
  };
}

/** Waits for the line that says `ready`, and takes the addresses from it. */
async function ready(child: Child): Promise<{ readonly proxy: string; readonly control: string }> {
  for (const deadline = Date.now() + START_LIMIT; Date.now() < deadline && !child.ended; await delay(LOOK)) {
    for (const line of child.output.split("\n").slice(0, -1)) {
      if (!line.includes('"msg":"ready"')) continue;
      return JSON.parse(line) as { proxy: string; control: string };
    }
  }
  throw child.failure(child.ended ? "ended before it was ready" : "was not ready in time");
}
