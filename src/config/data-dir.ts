import { resolve } from "node:path";

/** Options of commands that read what a gateway recorded. */
export const dataDirOptions = {
  config: { type: "string", describe: "the gateway's configuration file (or BQTAPE_CONFIG)" },
  "data-dir": { type: "string", describe: "its data directory, when there is no file to name it" },
} as const;

/** The data directory that a command's options name; without any, the configuration's default. */
export async function resolveDataDir(options: { config?: string; dataDir?: string }): Promise<string> {
  if (options.dataDir !== undefined) return resolve(options.dataDir);
  const file = options.config ?? process.env.BQTAPE_CONFIG;
  if (file === undefined) return resolve(process.env.BQTAPE_DATA_DIR ?? "data");
  // The schema and its libraries take a tenth of a second to load, and whoever names the directory does without.
  const { loadConfig } = await import("./load.ts");
  return (await loadConfig({ file })).dataDir;
}
