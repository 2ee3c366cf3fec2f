import { setTimeout as delay } from "node:timers/promises";
import type { Sink, SinkRecord } from "../../src/delivery/sink.ts";
import { takingRecords } from "./support.ts";

export interface Delivery {
  readonly topic: string;
  /** Records of partition 0, 1, … */
  readonly partitions: readonly (readonly SinkRecord[])[];
  readonly batch: number;
  /** Milliseconds between a partition's batches. Default 0. */
  readonly pause?: number;
  newSink(): Promise<Sink>;
}

/** Milliseconds between a failure and the next sink. */
const BACKOFF = 50;

/**
 * Sends as delivery does: one batch outstanding for each partition, and on the first failure a new sink after a pause, from
 * the last acknowledged record on. Resolves with the number of failures.
 */
export async function deliver({ topic, partitions, batch, pause = 0, newSink }: Delivery): Promise<number> {
  const acknowledged = partitions.map(() => 0);
  const isDone = (): boolean =>
    partitions.every((records, partition) => acknowledged[partition] === records.length);
  let failures = 0;
  while (!isDone()) {
    const sink = takingRecords(await newSink());
    const send = async (records: readonly SinkRecord[], partition: number): Promise<void> => {
      try {
        for (let at = acknowledged[partition] ?? 0; at < records.length; at = acknowledged[partition] ?? 0) {
          const some = records.slice(at, at + batch);
          await sink.sendBatch(topic, partition, some);
          acknowledged[partition] = at + some.length;
          if (pause > 0) await delay(pause);
        }
      } catch (error) {
        await sink.close();
        throw error;
      }
    };
    try {
      await sink.connect();
      const results = await Promise.allSettled(partitions.map(send));
      const failure = results.find((result) => result.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    } catch {
      failures += 1;
      await delay(BACKOFF);
    }
    await sink.close();
  }
  return failures;
}
