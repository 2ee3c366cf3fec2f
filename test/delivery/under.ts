import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { KafkaConfig } from "../../src/config/kafka.ts";
import { readCheckpoint } from "../../src/delivery/checkpoint.ts";
import { type Delivery, type DeliveryOptions, startDelivery } from "../../src/delivery/delivery.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import {
  type ExchangeParts,
  gatewayStarted,
  HandWrittenJournal,
  query,
  sessionStarted,
} from "../archive/support.ts";
import type { Cluster } from "../kafka/cluster.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Consumed, consumed } from "./consumed.ts";
import { kafkaConfig } from "./support.ts";

/* Delivery of journals that are written by hand. */

export interface Under {
  readonly dataDir: string;
  readonly journals: readonly [HandWrittenJournal, ...HandWrittenJournal[]];
  readonly kafka: KafkaConfig;
  readonly topics: { readonly events: string; readonly bodies: string; readonly control: string };
  /** Closed with the test. */
  start(more?: Partial<DeliveryOptions>): Promise<Delivery>;
  /** Tells delivery where the journals end now. */
  publish(): void;
  /** Ends it as a crash does: the checkpoint stays as it is. */
  crash(delivery: Delivery): Promise<void>;
  consumed(): Promise<Consumed>;
}

let count = 0;

/** Journals, and topics of their own. */
export function deliveryUnder(
  t: TestContext,
  cluster: Pick<Cluster, "addresses">,
  names: readonly string[] = ["0"],
): Under {
  const dataDir = temporaryDirectory();
  const [first = "0", ...others] = names;
  const journals = [
    new HandWrittenJournal(dataDir, first),
    ...others.map((name) => new HandWrittenJournal(dataDir, name)),
  ] as const;
  const live = journals.map(({ name, directory }) => ({
    ...{ name, directory, end: new SharedArrayBuffer(8), acknowledged: new SharedArrayBuffer(8) },
  }));
  count += 1;
  const topics = { events: `events-${count}`, bodies: `bodies-${count}`, control: `control-${count}` };
  const kafka = kafkaConfig({ brokers: cluster.addresses(), topics: { ...topics, partitions: 3 } });
  return {
    dataDir,
    journals,
    kafka,
    topics,
    async start(more = {}) {
      const delivery = await startDelivery({ dataDir, kafka, journals: live, onError: unexpected, ...more });
      t.after(() => delivery.close());
      return delivery;
    },
    publish() {
      for (const [at, journal] of journals.entries()) {
        const end = new BigInt64Array(live[at]?.end ?? new SharedArrayBuffer(8));
        Atomics.store(end, 0, BigInt(journal.end));
        Atomics.notify(end, 0);
      }
    },
    async crash(delivery) {
      const stored = readCheckpoint(dataDir, first);
      await delivery.close();
      writeFileSync(join(dataDir, "delivery", `${first}.json`), JSON.stringify(stored));
    },
    consumed: () => consumed(cluster.addresses(), topics),
  };
}

/** Writes whole exchanges, with answers of some sizes, into a journal. */
export function recordedIn(journal: HandWrittenJournal, count: number): ExchangeParts[] {
  const session = uuidv7();
  journal.events(gatewayStarted(uuidv7()), sessionStarted(session));
  return Array.from({ length: count }, (_, index) => {
    const response = Buffer.alloc(1 + (index % 5) * 20_000, index);
    const exchange = query({ session, sql: `SELECT ${index}`, response });
    journal.exchange(exchange);
    return exchange;
  });
}

export function assertArrived(
  bodies: Consumed["bodies"],
  { requested, request, response }: ExchangeParts,
): void {
  for (const [direction, bytes] of Object.entries({ request, response })) {
    const body = bodies.get(`${requested.exchange}/${direction}`);
    assert.deepEqual(body?.verdict, { state: "sound" });
    assert.ok(body?.bytes.equals(bytes));
  }
}

function unexpected(message: string): never {
  throw new Error(message);
}
