import { mkdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { BigQuery } from "@google-cloud/bigquery";
import type { KafkaConfig } from "../../config/kafka.ts";
import { Backoff } from "../../delivery/backoff.ts";
import { groupOffsets } from "../../delivery/kafka/offsets.ts";
import { ArchiveError, messageOf } from "../errors.ts";
import { type DatasetName, prepareDataset, statusOf } from "./schema.ts";
import { TopicReader } from "./topic-reader.ts";

export interface ToWarehouseOptions extends DatasetName {
  readonly kafka: KafkaConfig;
  readonly client: BigQuery;
  /** Where rows wait that are on their way, and rows are put aside that BigQuery refuses. */
  readonly directory: string;
  /** The consumer group, whose offsets say where to go on. Readers of one group share the work. */
  readonly group: string;
  /** End when all is loaded that the topic holds now. */
  readonly once: boolean;
  /** Where the dataset is made when it is not there. Default: BigQuery's. */
  readonly location?: string | undefined;
  /** Milliseconds that a record waits at most for others to be loaded with it. Default: as often as a day's load jobs allow. */
  readonly interval?: number | undefined;
  /** Bytes of rows with which a batch is loaded at once. Default: 1 GiB. */
  readonly batchBytes?: number | undefined;
  /** Called when the tables are there, before anything is read. */
  readonly onReady?: () => Promise<void>;
  /** Told of what cannot be read, is refused, or has to be tried again. */
  readonly onTrouble: (message: string) => void;
}

/**
 * Keeps a dataset in BigQuery of what all gateways delivered, until the signal is aborted. Offsets are committed behind what
 * BigQuery has taken; what is read again after a crash is found to be loaded already.
 *
 * @throws {ArchiveError} when the dataset is not fit for it; {SinkError} when Kafka cannot be read; BigQuery's own errors.
 */
export async function warehouseFromKafka(options: ToWarehouseOptions, signal: AbortSignal): Promise<void> {
  const { client, kafka, group, directory } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const location = await patiently(options.onTrouble, signal, () =>
    prepareDataset(client, options, options.location),
  );
  if (location === undefined) return;
  await options.onReady?.();
  const offsets = await groupOffsets(kafka, { topics: [kafka.topics.events], group, log: SILENT });
  for (const { topic, partition, missed } of offsets) {
    if (missed === 0) continue;
    options.onTrouble(
      `${missed} records of ${topic}/${partition} are gone from Kafka and were never loaded: keep them for longer (retention.ms), and run this without long breaks`,
    );
  }
  await new TopicReader(options, location, offsets).run(signal);
}

/** What goes wrong for good is thrown; a BigQuery that is away is asked again. Undefined when it was not to be had before the abort. */
async function patiently<T>(
  onTrouble: (message: string) => void,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T | undefined> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    try {
      return await attempt();
    } catch (error) {
      const status = statusOf(error);
      const passes =
        status === undefined
          ? !(error instanceof ArchiveError) && isOfNetwork(error)
          : status >= 500 && status !== 501;
      if (!passes) throw error;
      onTrouble(`the dataset cannot be looked at, and it is tried again: ${messageOf(error)}`);
      await delay(backoff.next(), undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}

/** Node's errors have codes such as ECONNREFUSED. */
function isOfNetwork(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^E[A-Z]+$/.test(String(error.code));
}

/** What goes wrong for good is thrown. */
const SILENT = (): void => undefined;
