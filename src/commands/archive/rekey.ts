import type { CommandModule, InferredOptionTypes } from "yargs";
import { writeAll } from "../../archive/output.ts";
import { count } from "../../archive/print/quantities.ts";
import { dataDirOptions, resolveArchive } from "../../config/data-dir.ts";
import { withLock } from "./with-lock.ts";

const options = { ...dataDirOptions, json: { type: "boolean", describe: "print one JSON object" } } as const;

/** `bqtape archive rekey`: replaces the archive's master key. */
export const rekey: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "rekey",
  describe: "replace the archive's master key; no gateway may be running",
  builder: options,
  handler: async (given) => {
    const place = await resolveArchive(given);
    await withLock(place.dataDir, "would go on with the old key", async () => {
      const { rekey: replace } = await import("../../archive/encryption/rekey.ts");
      const keys = await replace(place);
      const text = `The archive's master key is replaced, and ${count(keys, "key")} wrapped with the new one.\n`;
      await writeAll(process.stdout, [given.json === true ? `${JSON.stringify({ keys })}\n` : text]);
    });
  },
};
