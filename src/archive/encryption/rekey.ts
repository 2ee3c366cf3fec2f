import type { ArchivePlace } from "../../config/data-dir.ts";
import { archiveFile } from "../../config/paths.ts";
import { rewrapKeys } from "../blocks/keys.ts";
import { ArchiveError } from "../errors.ts";
import { ArchiveStore } from "../store.ts";
import { openMasterKey, withKeyFile } from "./master-key.ts";

/**
 * Replaces an archive's master key. The new one is on the disk before anything is wrapped with it, all keys are wrapped anew in
 * one transaction, and only then it takes the old one's place: cut short anywhere, one of the two files has the right key, and
 * {@link openMasterKey} finds it. No gateway may use the archive meanwhile: it would go on with the old key.
 *
 * @returns how many keys were wrapped anew.
 * @throws {ArchiveError}
 */
export async function rekey(place: ArchivePlace): Promise<number> {
  const old = await openMasterKey(place);
  if (old === undefined) {
    throw new ArchiveError("no-data-directory", `nothing was recorded in ${place.dataDir}`);
  }
  return await withKeyFile(place, async (file) => {
    const next = await file.makeNext();
    const store = new ArchiveStore(archiveFile(place.dataDir), old);
    try {
      const count = store.maintain(({ database }) => rewrapKeys(database, old, next));
      // Neither the machine's end nor what lies in the log may bring the old ones back.
      if (!store.emptyLog()) store.sync();
      file.adoptNext();
      return count;
    } finally {
      store.close();
    }
  });
}
