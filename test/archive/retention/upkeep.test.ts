import assert from "node:assert/strict";
import { test } from "node:test";
import { Sweep } from "../../../src/archive/retention/sweep.ts";
import { Upkeep, type UpkeepOptions } from "../../../src/archive/retention/upkeep.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { archiveSchema } from "../../../src/config/archive.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { HandWrittenJournal, ingestAll, sessionStarted } from "../support.ts";
import { newKey } from "../verify/recordings.ts";
import { planted, tracesOf } from "./traces.ts";

const { retention } = archiveSchema.parse({ retention: "90d" });
const signer = newKey();

/** An archive whose gateway ended when it had retired a session, and its journal still had it. */
function leftBehind() {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(sessionStarted("old"));
  const { parts, markers } = planted("old");
  for (const each of parts) journal.exchange(each);
  ingestAll(dataDir, journal);
  const store = new ArchiveStore(archiveFile(dataDir));
  const sweep = new Sweep(store, { retention, signer });
  while (sweep.step());
  store.emptyLog();
  return { dataDir, journal, markers, store };
}

type Left = ReturnType<typeof leftBehind>;

/** What a gateway does at its next start. */
function upkeep({ store, journal }: Left, options: Partial<UpkeepOptions>): void {
  const next = new Upkeep({
    ...{ retention, journals: [journal], delivered: () => () => undefined, signer: () => signer },
    report: (level, message) => assert.notEqual(level, "error", message),
    ...options,
  });
  while (next.step(store));
}

test("what a gateway had no time to take out of its journal is taken out at its next start", () => {
  for (const options of [{}, { retention: undefined }]) {
    const left = leftBehind();
    assert.notDeepEqual(tracesOf(left.dataDir, left.markers), []);
    upkeep(left, options);
    left.store.close();
    assert.deepEqual(tracesOf(left.dataDir, left.markers), []);
  }
});

test("what Kafka has not got yet stays in the journal until it has", () => {
  const left = leftBehind();
  const { dataDir, markers, journal, store } = left;
  const before = tracesOf(dataDir, markers);
  upkeep(left, { delivered: () => () => 0 });
  assert.deepEqual(tracesOf(dataDir, markers), before);
  upkeep(left, { delivered: () => () => journal.end });
  store.close();
  assert.deepEqual(tracesOf(dataDir, markers), []);
});
