import type { CommandModule, InferredOptionTypes } from "yargs";
import { writeAll } from "../../archive/output.ts";
import { count } from "../../archive/print/quantities.ts";
import { dataDirOptions, resolveArchive } from "../../config/load.ts";
import { tryLock } from "../../recording/lock.ts";

const options = { ...dataDirOptions, json: { type: "boolean", describe: "print one JSON object" } } as const;

/** `bqtape archive rekey`: replaces the archive's master key. */
export const rekey: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "rekey",
  describe: "replace the archive's master key; no gateway may be running",
  builder: options,
  handler: async (given) => {
    const place = await resolveArchive(given);
    const { ArchiveError } = await import("../../archive/errors.ts");
    const { existsSync } = await import("node:fs");
    if (!existsSync(place.dataDir)) {
      throw new ArchiveError(
        "no-data-directory",
        `nothing was recorded in ${place.dataDir}: there is no such directory`,
      );
    }
    const lock = tryLock(place.dataDir);
    if (lock === undefined) {
      throw new ArchiveError(
        "failed",
        `a gateway uses ${place.dataDir}, and would go on with the old key: stop it, replace the key, and start it again`,
      );
    }
    try {
      const { rekey: replace } = await import("../../archive/encryption/rekey.ts");
      const keys = await replace(place);
      const text = `The archive's master key is replaced, and ${count(keys, "key")} wrapped with the new one.\n`;
      await writeAll(process.stdout, [given.json === true ? `${JSON.stringify({ keys })}\n` : text]);
    } finally {
      lock.release();
    }
  },
};
