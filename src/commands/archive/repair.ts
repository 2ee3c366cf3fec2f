import { existsSync } from "node:fs";
import type { CommandModule, InferredOptionTypes } from "yargs";
import { ArchiveError } from "../../archive/errors.ts";
import { asText, writeAll } from "../../archive/output.ts";
import { count } from "../../archive/print/quantities.ts";
import { visible } from "../../archive/print/visible.ts";
import type { Repaired } from "../../archive/repair/repair.ts";
import { dataDirOptions, resolveArchive } from "../../config/data-dir.ts";
import { archiveFile } from "../../config/paths.ts";
import { withLock } from "./with-lock.ts";

const options = { ...dataDirOptions, json: { type: "boolean", describe: "print one JSON object" } } as const;

/** Blocks named at most. */
const NAMED = 20;

/** `bqtape archive repair`: saves what is whole of a damaged archive. */
export const repair: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "repair",
  describe: "look for damage, and make a new archive of what is whole; no gateway may be running",
  builder: options,
  handler: async (given) => {
    const place = await resolveArchive(given);
    await withLock(place.dataDir, "writes into the damaged file", async () => {
      const file = archiveFile(place.dataDir);
      if (!existsSync(file))
        throw new ArchiveError("failed", `there is no archive ${file}: nothing to repair`);
      const { withKeyFile } = await import("../../archive/encryption/master-key.ts");
      const key = await withKeyFile(place, (keyFile) => keyFile.now());
      if (key === undefined) {
        throw new ArchiveError("wrong-key", "the archive's key is missing: without it nothing can be saved");
      }
      const { repair: save } = await import("../../archive/repair/repair.ts");
      const done = save(place.dataDir, key, Date.now());
      const json = `${JSON.stringify(done)}\n`;
      await writeAll(process.stdout, given.json === true ? [json] : asText(lines(done, file)));
    });
  },
};

function* lines({ kept, problems, lost, blocks, records }: Repaired, file: string): Generator<string> {
  if (kept === undefined) {
    yield `${file} is whole: ${count(blocks, "block")}, ${count(records, "record")}. Nothing was changed.`;
    return;
  }
  yield `Saved ${count(records, "record")} of ${count(blocks, "block")}, and what the journals still hold.`;
  for (const problem of problems) yield `  damaged: ${visible(problem)}`;
  for (const { id, scope, problem } of lost.slice(0, NAMED)) {
    yield `  lost: block ${id} of ${visible(scope)}: ${problem}`;
  }
  if (lost.length > NAMED) yield `  lost: ${count(lost.length - NAMED, "further block")}`;
  yield `The damaged file is kept as ${kept}. bqtape does not look into it any more, and nothing in it is forgotten or retired: remove it when you need it no longer.`;
  yield "Where recordings are delivered to Kafka, bqtape archive --from kafka --group NEW-NAME brings back what is lost here.";
}
