import { resolve } from "node:path";
import type { CommandModule, InferredOptionTypes } from "yargs";
import { dataDirOptions } from "../config/data-dir.ts";
import type { KafkaConfig } from "../config/kafka.ts";
import { warehouseDirectory } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { rekey } from "./archive/rekey.ts";
import { repair } from "./archive/repair.ts";
import { retain } from "./archive/retain.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  from: { choices: ["kafka"] as const, demandOption: true, describe: "where recordings are read" },
  to: {
    choices: ["sqlite", "bigquery"] as const,
    default: "sqlite" as const,
    describe: "where they are kept: in the data directory, or events in a dataset of BigQuery",
  },
  group: {
    type: "string",
    describe:
      "the consumer group: one for each archive; default: bqtape-archive, or bqtape-warehouse for BigQuery",
  },
  once: { type: "boolean", default: false, describe: "end when all is read that is there now" },
  dataset: { type: "string", describe: "project.dataset, for --to bigquery; made when it is not there" },
  location: { type: "string", describe: "where that dataset is made, such as EU; default: US" },
  views: {
    type: "boolean",
    default: false,
    describe: "make the views of deploy/bigquery in it, or make them anew",
  },
  every: {
    type: "string",
    describe:
      "how long a record waits for others before it is loaded, such as 5m; default: as often as 1,500 load jobs a day allow",
  },
} as const;

type Arguments = InferredOptionTypes<typeof options>;

/** `bqtape archive --from kafka`: an archive of what all gateways recorded, for sessions, replay and the like, or a warehouse. */
const keep: CommandModule<object, Arguments> = {
  command: "$0",
  describe: "keep an archive of what gateways delivered to Kafka",
  builder: (yargs) =>
    yargs
      .options(options)
      .example("$0 archive --from kafka --data-dir ./archive", "sessions, replay, export and verify read it")
      .example("$0 archive --from kafka --to bigquery --dataset my-project.audit", "events as tables"),
  async handler(given) {
    const { config: file = process.env.BQTAPE_CONFIG } = given;
    const { loadConfig } = await import("../config/load.ts");
    const config = await loadConfig({ file });
    const { kafka } = config;
    if (kafka === undefined) throw new UsageError("--from kafka: the configuration has no kafka.brokers");
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
    const dataDir = given.dataDir === undefined ? config.dataDir : resolve(given.dataDir);
    if (given.to === "bigquery") {
      await toBigQuery(config, kafka, given, dataDir, stop.signal);
      return;
    }
    for (const name of ["dataset", "location", "every"] as const) {
      if (given[name] !== undefined) throw new UsageError(`--${name} goes with --to bigquery`);
    }
    const { group = "bqtape-archive", once } = given;
    const { archiveFromKafka } = await import("../archive/from-kafka.ts");
    const { openMasterKey } = await import("../archive/encryption/master-key.ts");
    const masterKey = () => openMasterKey({ ...config, dataDir });
    await archiveFromKafka({ kafka, dataDir, group, once, onTrouble, masterKey }, stop.signal);
  },
};

async function toBigQuery(
  config: Config,
  kafka: KafkaConfig,
  given: Arguments,
  dataDir: string,
  signal: AbortSignal,
): Promise<void> {
  const { group = "bqtape-warehouse", once, location, every } = given;
  const [{ parseDataset }, { duration }, { openOwnBigQuery }, { warehouseFromKafka }, { createViews }] =
    await Promise.all([
      import("../archive/warehouse/schema.ts"),
      import("../config/values.ts"),
      import("./bigquery-client.ts"),
      import("../archive/warehouse/from-kafka.ts"),
      import("../archive/warehouse/views.ts"),
    ]);
  const name = parseDataset(given.dataset ?? "");
  if (name === undefined) throw new UsageError("--to bigquery: name where to, --dataset PROJECT.DATASET");
  const interval = every === undefined ? undefined : duration.safeParse(every);
  if (interval?.success === false)
    throw new UsageError(`--every ${every}: ${interval.error.issues[0]?.message}`);
  const { client, close } = await openOwnBigQuery(config, name.project);
  try {
    await warehouseFromKafka(
      {
        ...{ ...name, kafka, client, group, once, location, onTrouble },
        directory: warehouseDirectory(dataDir),
        interval: interval?.data,
        ...(given.views && { onReady: () => createViews(client, name) }),
      },
      signal,
    );
  } finally {
    await close();
  }
}

function onTrouble(message: string): void {
  process.stderr.write(`bqtape: ${message}\n`);
}

/** `bqtape archive …`: what is done to the archive as a whole. */
export const archive: CommandModule = {
  command: "archive",
  describe: "keep an archive of what gateways delivered to Kafka, and look after archives",
  builder: (yargs) => yargs.command(keep).command(retain).command(rekey).command(repair),
  handler: () => undefined,
};
