import type { CommandModule, InferredOptionTypes } from "yargs";
import { UsageError } from "./failure.ts";

const options = {
  config: { type: "string", describe: "the gateway's configuration file (or BQTAPE_CONFIG)" },
  topic: { choices: ["events", "bodies"] as const, default: "events", describe: "which topic" },
  filter: { type: "string", describe: "only what has this in it, whatever its case" },
  all: { type: "boolean", default: false, describe: "from the topic's beginning, not from now on" },
  json: { type: "boolean", default: false, describe: "print one JSON object a line: events as they are" },
} as const;

/** `bqtape tail`: what gateways record, as it comes into Kafka. */
export const tail: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "tail",
  describe: "print what comes into Kafka, until it is stopped",
  builder: options,
  async handler({ config: file = process.env.BQTAPE_CONFIG, topic, filter, all, json }) {
    const { loadConfig } = await import("../config/load.ts");
    const { kafka } = await loadConfig({ file });
    if (kafka === undefined) throw new UsageError("tail reads Kafka: the configuration has no kafka.brokers");
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
    const { tailTopic } = await import("../delivery/tail.ts");
    await tailTopic({ kafka, topic, filter, fromBeginning: all, json }, process.stdout, stop.signal);
  },
};
