import type { CommandModule, InferredOptionTypes } from "yargs";
import { journalsOf } from "../../archive/catch-up.ts";
import { asText, writeAll } from "../../archive/output.ts";
import { type Due, due } from "../../archive/retention/due.ts";
import { scrubRetired } from "../../archive/retention/journal-traces.ts";
import { type Retired, withOneMore } from "../../archive/retention/notices.ts";
import { Sweep } from "../../archive/retention/sweep.ts";
import { wordsOf } from "../../archive/retention/upkeep.ts";
import { openTapeSigner } from "../../archive/tape/signer.ts";
import { withStore } from "../../archive/with-store.ts";
import { dataDirOptions } from "../../config/data-dir.ts";
import { deliveredOf } from "../../delivery/delivered.ts";
import { UsageError } from "../failure.ts";

const options = {
  ...dataDirOptions,
  "dry-run": { type: "boolean", default: false, describe: "only tell what would go by age" },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

/** `bqtape archive retain`: applies `archive.retention` and `archive.maxBytes` now, as a running gateway does by itself. */
export const retain: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "retain",
  describe: "retire recordings whose time is up (archive.retention, archive.maxBytes), now",
  builder: options,
  handler: async (given) => {
    await withStore(given, async (store, { retention, maxBytes }, dataDir) => {
      if (retention === undefined && maxBytes === undefined) {
        throw new UsageError(
          "recordings are kept for ever: set archive.retention or archive.maxBytes in the configuration (--config FILE)",
        );
      }
      const now = Date.now();
      const signer = await openTapeSigner(dataDir);
      const sweep = new Sweep(store, { retention, maxBytes, now, signer });
      if (!given.dryRun) {
        // So that a gateway's archive can write in between.
        while (sweep.step()) await new Promise(setImmediate);
        store.emptyLog();
        scrubRetired(store, journalsOf(dataDir), deliveredOf(dataDir));
      }
      const planned = retention === undefined ? [] : due(store.database, retention, now);
      const retired = given.dryRun ? sumsOf(planned, now) : sweep.retired;
      const json = `${JSON.stringify({ dryRun: given.dryRun, retired })}\n`;
      await writeAll(process.stdout, given.json === true ? [json] : asText(lines(retired, given.dryRun)));
    });
  },
};

function* lines(retired: readonly Retired[], isDryRun: boolean): Generator<string> {
  if (retired.length === 0) yield "Nothing has been kept longer than the rules say.";
  for (const each of retired) yield isDryRun ? `would have ${wordsOf(each)}` : wordsOf(each);
}

function sumsOf(all: Iterable<Due>, time: number): Retired[] {
  const sums = new Map<string, Retired>();
  for (const each of all) sums.set(each.what, withOneMore(sums.get(each.what), "age", each, time));
  return [...sums.values()];
}
