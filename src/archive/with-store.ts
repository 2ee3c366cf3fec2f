import type { ArchiveConfig } from "../config/archive.ts";
import { archiveFile } from "../config/paths.ts";
import { ArchiveStore } from "./store.ts";
import { type DataDirArguments, inWords, openArchive } from "./with-search.ts";

/**
 * Runs what changes the archive that a command's options name, brought up to date before; a gateway may use it meanwhile.
 *
 * @throws {ArchiveError}
 */
export async function withStore(
  given: DataDirArguments,
  run: (store: ArchiveStore, config: ArchiveConfig, dataDir: string) => Promise<void>,
): Promise<void> {
  const { search, directory, masterKey, config } = await openArchive(given);
  search.close();
  const store = new ArchiveStore(archiveFile(directory), masterKey);
  try {
    await inWords(directory, () => run(store, config, directory));
  } finally {
    store.close();
  }
}
