import type { CommandModule, InferredOptionTypes } from "yargs";
import { dataDirOptions } from "../config/data-dir.ts";
import { rekey } from "./archive/rekey.ts";
import { repair } from "./archive/repair.ts";
import { retain } from "./archive/retain.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  from: { choices: ["kafka"] as const, demandOption: true, describe: "where recordings are read" },
  group: { type: "string", default: "bqtape-archive", describe: "the consumer group: one for each archive" },
  once: { type: "boolean", default: false, describe: "end when all is read that is there now" },
} as const;

/** `bqtape archive --from kafka`: an archive of what all gateways recorded, for sessions, replay and the like. */
const keep: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "$0",
  describe: "keep an archive of what gateways delivered to Kafka",
  builder: options,
  async handler({ config: file = process.env.BQTAPE_CONFIG, dataDir, group, once }) {
    const { loadConfig } = await import("../config/load.ts");
    const config = await loadConfig({ file });
    const { kafka } = config;
    if (kafka === undefined) throw new UsageError("--from kafka: the configuration has no kafka.brokers");
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
    const { openMasterKey } = await import("../archive/encryption/master-key.ts");
    const { archiveFromKafka } = await import("../archive/from-kafka.ts");
    const onTrouble = (message: string): void => void process.stderr.write(`bqtape: ${message}\n`);
    const place = { ...config, dataDir: dataDir ?? config.dataDir };
    const masterKey = () => openMasterKey(place);
    await archiveFromKafka({ kafka, dataDir: place.dataDir, group, once, onTrouble, masterKey }, stop.signal);
  },
};

/** `bqtape archive …`: what is done to the archive as a whole. */
export const archive: CommandModule = {
  command: "archive",
  describe: "keep an archive of what gateways delivered to Kafka, and look after archives",
  builder: (yargs) => yargs.command(keep).command(retain).command(rekey).command(repair),
  handler: () => undefined,
};
