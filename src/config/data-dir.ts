import { resolve } from "node:path";
import type { ArchiveConfig } from "./archive.ts";
import type { CredentialConfig } from "./credential.ts";

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

/** What commands need to read an archive. */
export interface ArchivePlace {
  readonly dataDir: string;
  readonly archive: ArchiveConfig;
  /** What the gateway shows Google; absent where no configuration file was read. */
  readonly credential?: CredentialConfig;
}

/**
 * The archive that a command's options name; without any, the configuration's default. A data directory that is named wins
 * over the configuration's, and over that which the environment names altogether.
 *
 * @throws {ConfigError}
 */
export async function resolveArchive(options: {
  readonly config?: string | undefined;
  readonly dataDir?: string | undefined;
}): Promise<ArchivePlace> {
  const { dataDir, config = dataDir === undefined ? process.env.BQTAPE_CONFIG : undefined } = options;
  const isPlain = config === undefined && !Object.keys(process.env).some((name) => name.startsWith(ARCHIVE));
  if (isPlain) {
    return { dataDir: resolve(dataDir ?? process.env.BQTAPE_DATA_DIR ?? "data"), archive: { enabled: true } };
  }
  const { readArchivePlace } = await import("./load.ts");
  return await readArchivePlace(options);
}

/** How variables begin that say something about the archive. */
const ARCHIVE = "BQTAPE_ARCHIVE";
