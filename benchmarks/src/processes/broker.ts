import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Broker, newBrokers } from "../../../test/kafka/brokers.ts";
import { withAdmin } from "../../../test/kafka/read.ts";
import { provide } from "../../../test/setup/cache.ts";
import { PARTS } from "../../../test/setup/parts.ts";
import type { PeerTopics } from "../peers/peer.ts";

/** Memory as small brokers have it; compiled as far as it goes, unlike the tests' brokers, which live for seconds. */
const JVM_FLAGS = ["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto"];

/** Files of a deleted topic go at once: each measurement has topics of its own. */
const PROPERTIES = { "log.segment.delete.delay.ms": "0" };

/** Installs Apache Kafka unless it is there. @returns why it is not to be had. */
export async function installKafka(): Promise<string | undefined> {
  const found = await provide(PARTS.kafka, (text) => void process.stderr.write(`Apache Kafka: ${text}\n`));
  return found.ready ? undefined : `Kafka is not to be had (${found.reason})`;
}

/** Where Linux has a file system in memory. */
const IN_MEMORY = "/dev/shm";

/**
 * A single broker on loopback, outside of the proxies' control groups. Its log is in memory where it can be: a broker's disk
 * is not a gateway's, and what one has written would slow the syncs of the other.
 */
export class RunningBroker {
  readonly addresses: readonly string[];
  readonly #broker: Broker;

  static async start(directory: string): Promise<RunningBroker> {
    const found = await provide(PARTS.kafka, () => undefined);
    if (!found.ready) throw new Error(found.reason);
    const own = mkdtempSync(join(existsSync(IN_MEMORY) ? IN_MEMORY : directory, "bqtape-bench-kafka-"));
    process.on("exit", () => rmSync(own, { recursive: true, force: true }));
    const options = { jvmFlags: JVM_FLAGS, properties: PROPERTIES };
    const [broker] = await newBrokers(found.product, own, options);
    if (broker === undefined) throw new Error("no broker was made");
    await broker.start();
    return new RunningBroker(broker);
  }

  private constructor(broker: Broker) {
    this.#broker = broker;
    this.addresses = [`127.0.0.1:${broker.port()}`];
  }

  async deleteTopics(topics: PeerTopics): Promise<void> {
    await withAdmin(this.addresses, async (admin) => {
      const existing = new Set(await admin.listTopics());
      const made = Object.values(topics).filter((topic) => existing.has(topic));
      if (made.length > 0) await admin.deleteTopics({ topics: made });
    });
  }

  stop(): Promise<void> {
    return this.#broker.kill();
  }
}
