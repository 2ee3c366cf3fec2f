import { resolve } from "node:path";
import type { ArchiveConfig } from "./archive.ts";
import type { CredentialConfig } from "./credential.ts";

/** Options of commands that read what a gateway recorded. */
export const dataDirOptions = {
  config: { type: "string", describe: "the gateway's configuration file (or BQTAPE_CONFIG)" },
  "data-dir": { type: "string", describe: "its data directory, when there is no file to name it" },
} as const;

/** What commands need to read an archive. */
export interface ArchivePlace {
  readonly dataDir: string;
  readonly archive: ArchiveConfig;
  /** What the gateway shows Google; absent where no configuration file was read. */
  readonly credential?: CredentialConfig;
}

/**
 * The archive that a command's options name; without any, the configuration's default. A data directory that is named wins
 * over the configuration's, and then the environment names no configuration file.
 *
 * @throws {ConfigError}
 */
export async function resolveArchive(options: {
  config?: string | undefined;
  dataDir?: string | undefined;
}): Promise<ArchivePlace> {
  const { dataDir } = options;
  const file = options.config ?? (dataDir === undefined ? process.env.BQTAPE_CONFIG : undefined);
  // The schema and its libraries take a tenth of a second to load, and whoever names the directory does without.
  if (file !== undefined) {
    const { loadConfig } = await import("./load.ts");
    const config = await loadConfig({ file });
    const { archive, credential } = config;
    return { dataDir: dataDir === undefined ? config.dataDir : resolve(dataDir), archive, credential };
  }
  const isTold = Object.keys(process.env).some((name) => name.startsWith("BQTAPE_ARCHIVE"));
  return {
    dataDir: resolve(dataDir ?? process.env.BQTAPE_DATA_DIR ?? "data"),
    archive: isTold ? (await import("./load.ts")).archiveFromEnvironment() : { enabled: true },
  };
}

/** The data directory that a command's options name, likewise. */
export async function resolveDataDir(options: { config?: string; dataDir?: string }): Promise<string> {
  if (options.dataDir !== undefined) return resolve(options.dataDir);
  return (await resolveArchive(options)).dataDir;
}
