import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Kafka, logLevel, Partitioners } from "../../src/delivery/kafka/kafkajs-mended.ts";
import { type Jvm, startJvm } from "./jvm.ts";
import { freePorts } from "./ports.ts";
import { type BrokerLayout, type Listener, metaProperties, serverProperties } from "./properties.ts";

/* Apache Kafka's brokers, for tests and benchmarks alike. */

export interface BrokersOptions {
  /** Default 1. With 3, topics have 3 replicas of which 2 must be in sync. */
  readonly brokers?: 1 | 3;
  /** Ways in beside the plain one. */
  readonly listeners?: readonly Listener[];
  /** More of each broker's server.properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Where a broker keeps what it stores. Default: beside its settings. */
  readonly dataOf?: (id: number) => string | undefined;
  /** Of its Java machine, in place of those that start quickly. */
  readonly jvmFlags?: readonly string[];
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

/** Milliseconds from start to the first answer; three brokers on two slow cores included. */
const START_LIMIT = 60_000;

/**
 * Brokers in KRaft mode, on ports of their own, not started.
 *
 * @param jars the folder that the set-up's part `kafka` has them in.
 * @param directory where their data goes.
 */
export async function newBrokers(
  jars: string,
  directory: string,
  {
    brokers: count = 1,
    listeners = [],
    properties = {},
    dataOf = () => undefined,
    jvmFlags,
  }: BrokersOptions = {},
): Promise<Broker[]> {
  const names = ["PLAINTEXT", "CONTROLLER", ...listeners.map(({ name }) => name)];
  const layouts = await layOut({ directory, dataOf }, count, names);
  return layouts.map((layout) => {
    writeFileSync(
      join(layout.directory, "server.properties"),
      serverProperties(layout, layouts, listeners, properties),
    );
    return new BrokerProcess(layout, jars, jvmFlags);
  });
}

async function layOut(
  { directory, dataOf }: { readonly directory: string; readonly dataOf: (id: number) => string | undefined },
  count: number,
  listeners: readonly string[],
): Promise<BrokerLayout[]> {
  const ports = await freePorts(count * listeners.length);
  return Array.from({ length: count }, (_, index): BrokerLayout => {
    const id = index + 1;
    const own = join(directory, String(id));
    const data = dataOf(id) ?? join(own, "data");
    mkdirSync(own, { recursive: true });
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, "meta.properties"), metaProperties(id));
    const numbered = listeners.map((name, at) => [name, ports[index * listeners.length + at] ?? 0] as const);
    return { id, directory: own, data, ports: new Map(numbered) };
  });
}

/** Milliseconds between two tries. */
const AGAIN = 50;

/**
 * Producer ids are given out a little later than all else is; and of brokers that start together one may name another as
 * controller that it does not list yet, which kafkajs calls worth trying again and does not try.
 */
async function answers(broker: string): Promise<void> {
  const until = performance.now() + START_LIMIT;
  for (;;) {
    try {
      return await givesProducerId(broker);
    } catch (error) {
      const again = error instanceof Error && "retriable" in error && error.retriable === true;
      if (!again || performance.now() >= until) throw error;
      await delay(AGAIN);
    }
  }
}

async function givesProducerId(broker: string): Promise<void> {
  const kafka = new Kafka({ clientId: "test", brokers: [broker], logLevel: logLevel.NOTHING });
  const retry = { retries: 200, initialRetryTime: 20, maxRetryTime: 100 };
  const producer = kafka.producer({
    idempotent: true,
    retry,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  try {
    await producer.connect();
  } finally {
    await producer.disconnect();
  }
}

class BrokerProcess implements Broker {
  readonly #layout: BrokerLayout;
  readonly #jars: string;
  readonly #flags: readonly string[] | undefined;
  #jvm: Jvm | undefined;

  constructor(layout: BrokerLayout, jars: string, flags: readonly string[] | undefined) {
    this.#layout = layout;
    this.#jars = jars;
    this.#flags = flags;
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
      ...(this.#flags !== undefined && { flags: this.#flags }),
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
