import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { kafkaSchema } from "../../../src/config/kafka.ts";
import { journalDirectory } from "../../../src/config/paths.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import { encodeSegmentHeader, segmentPath } from "../../../src/recording/segments.ts";
import { frame } from "../../../test/support/frames.ts";
import { BacklogChunks, backlogRequests } from "../load/backlog.ts";
import type { BacklogLoad, LoadFigures, Report } from "../load/load.ts";
import { childArgument, tell } from "../processes/children.ts";
import type { DelivererArgument } from "./deliverer.ts";

const { what, client, tree, directory, brokers, topics } = childArgument<DelivererArgument>();
const kafka = kafkaSchema.parse({ brokers, client, topics });

/** A module of the tree that is measured, typed as this one's. */
async function treeModule<Module>(path: string): Promise<Module> {
  return (await import(pathToFileURL(join(tree, path)).href)) as Module;
}

// As a gateway's process does, before its threads begin.
const { tuneGarbageCollection } = await treeModule<
  typeof import("../../../src/commands/garbage-collection.ts")
>("src/commands/garbage-collection.ts");
tuneGarbageCollection();

interface Deliverer {
  /** Has a load ready. */
  prepare(bytes: number): void;
  /** Resolves when Kafka has acknowledged all of it. */
  deliver(): Promise<void>;
}

/** A journal that somebody else has written, and delivery, running, that is told of it all at once. */
async function delivery(): Promise<Deliverer> {
  const { startDelivery } =
    await treeModule<typeof import("../../../src/delivery/delivery.ts")>("src/delivery/delivery.ts");
  const dataDir = join(directory, "data");
  const name = "0";
  const journal = journalDirectory(dataDir, name);
  mkdirSync(journal, { recursive: true });
  const file = openSync(segmentPath(journal, 0), "w");
  process.once("exit", () => closeSync(file));
  writeSync(file, encodeSegmentHeader(0));
  let written = 0;
  const write = (record: JournalRecord): void => {
    written += writeSync(file, frame(record));
  };
  for (const event of backlogRequests()) write({ kind: "event", event });
  const end = new SharedArrayBuffer(8);
  const started = await startDelivery({
    dataDir,
    kafka,
    journals: [{ name, directory: journal, end, acknowledged: new SharedArrayBuffer(8) }],
    onError(message) {
      throw new Error(message);
    },
  });
  const chunks = new BacklogChunks();
  return {
    prepare(bytes) {
      for (const chunk of chunks.take(bytes)) write({ kind: "body", chunk });
    },
    async deliver() {
      const position = new BigInt64Array(end);
      Atomics.store(position, 0, BigInt(written));
      Atomics.notify(position, 0);
      await started.delivered(name, written);
    },
  };
}

/** What a client alone can do with the batches that delivery makes. */
async function clientAlone(): Promise<Deliverer> {
  const { createKafkaSink } = await treeModule<typeof import("../../../src/delivery/kafka/open.ts")>(
    "src/delivery/kafka/open.ts",
  );
  const { prepareTopics } = await treeModule<typeof import("../../../src/delivery/kafka/topics.ts")>(
    "src/delivery/kafka/topics.ts",
  );
  const { chunkRecord } = await treeModule<typeof import("../../../src/delivery/records/body-records.ts")>(
    "src/delivery/records/body-records.ts",
  );
  const { partitionOf } = await treeModule<typeof import("../../../src/delivery/partitioner.ts")>(
    "src/delivery/partitioner.ts",
  );
  const { RecordBatch } = await treeModule<typeof import("../../../src/delivery/record-batch.ts")>(
    "src/delivery/record-batch.ts",
  );
  const log = (): void => undefined;
  const { bodies } = await prepareTopics(kafka, log);
  const sink = await createKafkaSink(kafka, log);
  await sink.connect();
  const chunks = new BacklogChunks();
  let lanes: InstanceType<typeof RecordBatch>[][] = [];
  const send = async (batches: (typeof lanes)[number], partition: number): Promise<void> => {
    for (const batch of batches) {
      await sink.sendBatch(bodies.name, partition, batch);
      batch.release();
    }
  };
  return {
    prepare(bytes) {
      lanes = Array.from({ length: bodies.partitions }, () => [new RecordBatch(bodies.maxBatchBytes)]);
      for (const chunk of chunks.take(bytes)) {
        const record = chunkRecord("bqtape://bench/0", chunk);
        const lane = lanes[partitionOf(record.key, bodies.partitions)];
        if (lane === undefined || lane.at(-1)?.append(record) === true) continue;
        const batch = new RecordBatch(bodies.maxBatchBytes);
        batch.append(record);
        lane.push(batch);
      }
    },
    async deliver() {
      await Promise.all(lanes.map(send));
    },
  };
}

const deliverer = await (what === "delivery" ? delivery() : clientAlone());

async function measured({ bytes }: BacklogLoad): Promise<LoadFigures> {
  const from = performance.now();
  await deliverer.deliver();
  return { exchanges: 1, bytes, seconds: (performance.now() - from) / 1000 };
}

let load: BacklogLoad | undefined;
process.on("message", (command: { command: "prepare"; load: BacklogLoad } | { command: "begin" }) => {
  if (command.command === "prepare") {
    load = command.load;
    deliverer.prepare(load.bytes);
    tell({ state: "prepared" } satisfies Report);
  } else if (load !== undefined) {
    void measured(load).then((figures) => tell({ state: "done", figures } satisfies Report));
  }
});
tell({ state: "ready" });
