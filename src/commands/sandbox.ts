import type { CommandModule, InferredOptionTypes } from "yargs";
import { UsageError } from "./failure.ts";

const options = {
  listen: {
    type: "string",
    default: "127.0.0.1:9443",
    describe: "HOST:PORT; its certificate is good for this host, and for localhost",
  },
  directory: {
    type: "string",
    default: "sandbox",
    describe:
      "where the service account's key and the certificate of the authority are written at each start",
  },
  project: { type: "string", default: "demo-project", describe: "the one project there is" },
  rows: { type: "number", default: 100_000, describe: "rows of shop.orders" },
} as const;

/** `bqtape sandbox`: the demo's stand-in for BigQuery by itself, until SIGTERM or SIGINT. */
export const sandbox: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "sandbox",
  describe: "run a local stand-in for BigQuery, for trials",
  builder: (yargs) =>
    yargs
      .options(options)
      .example("bqtape sandbox --listen 127.0.0.1:9443 --directory sandbox", "for the configuration below")
      .epilogue(
        'credential: { type: service-account, keyFile: sandbox/service-account.json }\nupstream: { overrides: { bigquery.googleapis.com: "https://127.0.0.1:9443" }, caFile: sandbox/ca.pem }\n\n' +
          "It serves a part of the API, from memory, and forgets everything when it ends: it is for trials, and no data belongs there.",
      ),
  async handler({ listen, directory, project, rows }) {
    const stopped = new Promise<void>((resolve) => {
      process.once("SIGTERM", () => resolve());
      process.once("SIGINT", () => resolve());
    });
    const { startSandbox } = await import("../sandbox/sandbox.ts");
    const running = await startSandbox({ listen, directory, project, rows }).catch((error: unknown) => {
      if (error instanceof TypeError) throw new UsageError(error.message, { cause: error });
      throw error;
    });
    const { url, keyFile, caFile } = running;
    process.stdout.write(`${JSON.stringify({ msg: "ready", url, project, keyFile, caFile })}\n`);
    await stopped;
    await running.close();
  },
};
