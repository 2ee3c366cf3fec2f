import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Kafka, logLevel, Partitioners } from "../../src/delivery/kafka/kafkajs-mended.ts";
import { partFor } from "../clients/support/parts.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Jvm, startJvm } from "./jvm.ts";
import { freePorts } from "./ports.ts";
import { type BrokerLayout, type Listener, metaProperties, serverProperties } from "./properties.ts";

export interface ClusterOptions {
  /** Default 1. With 3, topics have 3 replicas of which 2 must be in sync. */
  readonly brokers?: 1 | 3;
  /** Ways in beside the plain one. */
  readonly listeners?: readonly Listener[];
  /** More of each broker's server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Where a broker keeps what it stores. Default: in a temporary directory. */
  readonly dataOf?: (id: number) => string | undefined;
}

/** A broker that a test may treat as badly as it likes. Ports and data outlive {@link Broker.kill}. */
export interface Broker {
  readonly id: number;
  /** Default: the plain listener's. */
  port(listener?: string): number;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Starts it again after {@link Broker.kill}; resolves when it answers. */
  start(): Promise<void>;
}

export interface Cluster {
  readonly brokers: readonly Broker[];
  /** `host:port` of every broker; default: of the plain listener. */
  addresses(listener?: string): string[];
}

/** Milliseconds from start to the first answer; three brokers on two slow cores included. */
const START_LIMIT = 60_000;

/**
 * Starts Apache Kafka in KRaft mode for a test, on ports and a directory of its own; ended with the test. Where it is not to
 * be had the test is skipped, or fails with CI=true, and the answer is `undefined`.
 */
export async function startCluster(
  test: TestContext,
  { brokers: count = 1, listeners = [], properties = {}, dataOf = () => undefined }: ClusterOptions = {},
): Promise<Cluster | undefined> {
  const jars = partFor(test, "kafka");
  if (jars === undefined) return undefined;
  const layouts = await layOut(dataOf, count, [
    "PLAINTEXT",
    "CONTROLLER",
    ...listeners.map(({ name }) => name),
  ]);
  const brokers = layouts.map((layout) => {
    writeFileSync(
      join(layout.directory, "server.properties"),
      serverProperties(layout, layouts, listeners, properties),
    );
    return new BrokerProcess(layout, jars);
  });
  test.after(() => Promise.all(brokers.map((broker) => broker.kill())));
  await Promise.all(brokers.map((broker) => broker.start()));
  return {
    brokers,
    addresses: (listener) => brokers.map((broker) => `127.0.0.1:${broker.port(listener)}`),
  };
}

/**
 * A Kafka without anything special: the one that runs at `KAFKA_BROKERS` (comma-separated), which is nobody's to kill, or a
 * broker started as {@link startCluster} does.
 */
export async function kafkaFor(
  test: TestContext,
): Promise<{ addresses: string[]; broker?: Broker } | undefined> {
  const given = process.env.KAFKA_BROKERS;
  if (given !== undefined && given !== "") return { addresses: given.split(",") };
  const cluster = await startCluster(test);
  const [broker] = cluster?.brokers ?? [];
  return cluster === undefined || broker === undefined
    ? undefined
    : { addresses: cluster.addresses(), broker };
}

async function layOut(
  dataOf: (id: number) => string | undefined,
  count: number,
  listeners: readonly string[],
): Promise<BrokerLayout[]> {
  const directory = temporaryDirectory();
  const ports = await freePorts(count * listeners.length);
  return Array.from({ length: count }, (_, index): BrokerLayout => {
    const id = index + 1;
    const own = join(directory, String(id));
    const data = dataOf(id) ?? join(own, "data");
    mkdirSync(own);
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, "meta.properties"), metaProperties(id));
    const numbered = listeners.map((name, at) => [name, ports[index * listeners.length + at] ?? 0] as const);
    return { id, directory: own, data, ports: new Map(numbered) };
  });
}

/** Producer ids are given out a little later than all else is. */
async function answers(broker: string): Promise<void> {
  const kafka = new Kafka({ clientId: "test", brokers: [broker], logLevel: logLevel.NOTHING });
  const retry = { retries: 200, initialRetryTime: 20, maxRetryTime: 100 };
  const producer = kafka.producer({
    idempotent: true,
    retry,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  await producer.disconnect();
}

class BrokerProcess implements Broker {
  readonly #layout: BrokerLayout;
  readonly #jars: string;
  #jvm: Jvm | undefined;

  constructor(layout: BrokerLayout, jars: string) {
    this.#layout = layout;
    this.#jars = jars;
  }

  get id(): number {
    return this.#layout.id;
  }

  port(listener = "PLAINTEXT"): number {
    const port = this.#layout.ports.get(listener);
    if (port === undefined) throw new Error(`the broker has no listener ${listener}`);
    return port;
  }

  async start(): Promise<void> {
    const logging = join(import.meta.dirname, "log4j2.properties");
    this.#jvm = await startJvm({
      args: [
        `-Dlog4j2.configurationFile=${logging}`,
        ...["-cp", join(this.#jars, "*"), "kafka.Kafka", join(this.#layout.directory, "server.properties")],
      ],
      // Said once it is registered, has caught up with the controllers and takes requests.
      ready: /Kafka Server started/,
      limit: START_LIMIT,
    });
    await answers(`127.0.0.1:${this.port()}`);
  }

  async kill(): Promise<void> {
    const jvm = this.#jvm;
    this.#jvm = undefined;
    await jvm?.end();
  }

  pause(): void {
    this.#jvm?.signal("SIGSTOP");
  }

  resume(): void {
    this.#jvm?.signal("SIGCONT");
  }
}
