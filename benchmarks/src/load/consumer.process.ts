import { randomUUID } from "node:crypto";
import { Kafka, logLevel } from "../../../src/delivery/kafka/kafkajs-mended.ts";
import { childArgument, tell } from "../processes/children.ts";
import type { ConsumerArgument, ConsumerCommand, ToConsumer } from "./consumer.ts";
import { quantile } from "./quantile.ts";

/** Milliseconds that the broker holds a request when there is nothing; what comes is answered at once. */
const MAX_WAIT = 100;

const { brokers, topic } = childArgument<ConsumerArgument>();
let latencies: number[] = [];

const kafka = new Kafka({ clientId: "bench-consumer", brokers: [...brokers], logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: MAX_WAIT });
// From the first fetch on it has a place in each partition.
const reading = new Promise<void>((resolve) => consumer.on("consumer.fetch", () => resolve()));
await consumer.connect();
await consumer.subscribe({ topic });
await consumer.run({
  autoCommit: false,
  async eachBatch({ batch: { messages } }) {
    const now = performance.timeOrigin + performance.now();
    for (const { timestamp } of messages) latencies.push(now - Number(timestamp));
  },
});
process.on("message", ({ command }: ConsumerCommand) => {
  if (command === "begin") {
    latencies = [];
    return;
  }
  const sorted = latencies.sort((a, b) => a - b);
  const report: ToConsumer = {
    events: sorted.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
  };
  tell(report);
});
await reading;
tell({ state: "reading" });
