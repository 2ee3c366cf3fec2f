import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { test } from "node:test";
import { writtenBy } from "../../src/recording/ages.ts";
import { uuidTime, uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";

test("what is unread is as old as its first event, and as its segments that are full", () => {
  const journal = new HandWrittenJournal(temporaryDirectory());
  journal.events(gatewayStarted("a", 1_000));
  const passed = journal.end;
  journal.events(gatewayStarted("b", 2_000));
  const second = journal.end;
  journal.events(gatewayStarted("c", 3_000));
  utimesSync(journal.path, 3, 3);
  const full = journal.end;
  journal.segment().events(gatewayStarted("d", 4_000));
  assert.deepEqual(writtenBy(journal.directory, passed), [
    { position: second, time: 2_000 },
    { position: full, time: 3_000 },
  ]);
});

test("nothing is old of what has been passed", () => {
  const journal = new HandWrittenJournal(temporaryDirectory());
  journal.events(gatewayStarted()).segment().events(gatewayStarted());
  assert.deepEqual(writtenBy(journal.directory, journal.end), []);
});

test("where there are bodies alone, they are as old as their exchange", () => {
  const journal = new HandWrittenJournal(temporaryDirectory());
  const exchange = uuidv7();
  journal.chunk({ exchange, direction: "response", sequence: 0, offset: 0, bytes: Buffer.alloc(10) });
  assert.deepEqual(writtenBy(journal.directory, 0), [{ position: journal.end, time: uuidTime(exchange) }]);
});

test("an identifier tells when it was made", () => {
  const before = Date.now();
  const time = uuidTime(uuidv7());
  assert.ok(time >= before && time <= Date.now());
});
