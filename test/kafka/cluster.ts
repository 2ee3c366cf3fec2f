import type { TestContext } from "node:test";
import { partFor } from "../clients/support/parts.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Broker, type BrokersOptions, newBrokers } from "./brokers.ts";

export type { Broker } from "./brokers.ts";

export interface Cluster {
  readonly brokers: readonly Broker[];
  /** `host:port` of every broker; default: of the plain listener. */
  addresses(listener?: string): string[];
}

/**
 * Starts Apache Kafka in KRaft mode for a test, on ports and a directory of its own; ended with the test. Where it is not to
 * be had the test is skipped, or fails with CI=true, and the answer is `undefined`.
 */
export async function startCluster(
  test: TestContext,
  options: Omit<BrokersOptions, "jvmFlags"> = {},
): Promise<Cluster | undefined> {
  const jars = partFor(test, "kafka");
  if (jars === undefined) return undefined;
  const brokers = await newBrokers(jars, temporaryDirectory(), options);
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
