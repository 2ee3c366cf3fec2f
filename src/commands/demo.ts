import type { CommandModule } from "yargs";

interface Arguments {
  once: boolean;
  json: boolean;
  kafka: string | undefined;
}

/** `bqtape demo`: all of bqtape on this machine, in front of a stand-in for BigQuery, recording a real client. */
export const demo: CommandModule<object, Arguments> = {
  command: "demo",
  describe: "record a real client's session against a local stand-in for BigQuery",
  builder: (yargs) =>
    yargs
      .option("once", { type: "boolean", default: false, describe: "end when the session is recorded" })
      .option("json", { type: "boolean", default: false, describe: "print one JSON object and no progress" })
      .option("kafka", {
        type: "string",
        describe: "HOST:PORT of a Kafka broker to deliver the recording to",
      }),
  async handler(argv) {
    const { runDemo } = await import("../demo/demo.ts");
    await runDemo(argv);
  },
};
