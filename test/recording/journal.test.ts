import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { RecordedEvent } from "../../src/recording/events.ts";
import { type Appended, MAX_PAYLOAD } from "../../src/recording/frame.ts";
import { Journal } from "../../src/recording/journal.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { listSegments, writtenEnd } from "../../src/recording/segments.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { frame } from "../support/frames.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const MAX = 1024 * 1024 * 1024;

function event(gateway: string): RecordedEvent {
  return { type: "gateway.stopped", time: 1, gateway };
}

function readAll(directory: string, from = 0): string[] {
  const reader = new JournalReader(directory, from);
  const { records, gaps } = reader.read(MAX);
  reader.close();
  assert.deepEqual(gaps, []);
  return records.map(({ record }) =>
    record.kind === "event" && record.event.type === "gateway.stopped" ? record.event.gateway : record.kind,
  );
}

test("what was committed is read back, in order", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  for (const name of ["a", "b", "c"]) journal.append({ kind: "event", event: event(name) });
  await journal.commit("fsync");
  assert.deepEqual(readAll(directory), ["a", "b", "c"]);
});

test("body bytes come back exactly, with their place", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 251));
  const chunk = { exchange: uuidv7(), direction: "response", sequence: 3, offset: 2 ** 33, bytes } as const;
  journal.append({ kind: "body", chunk });
  await journal.commit("written");
  const [read] = new JournalReader(directory, 0).read(MAX).records;
  assert.deepEqual(read?.record, { kind: "body", chunk });
});

// It was written, and no reader went past it: what came behind it in its segment was lost.
test("what no reader would take is not appended, and others are", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  const bytes = Buffer.alloc(MAX_PAYLOAD);
  const tooLong: Appended[] = [
    { kind: "json", json: JSON.stringify(event("x".repeat(MAX_PAYLOAD))) },
    { kind: "json", json: JSON.stringify(event("€".repeat(MAX_PAYLOAD / 3))) },
    { kind: "body", chunk: { exchange: uuidv7(), direction: "request", sequence: 0, offset: 0, bytes } },
  ];
  for (const record of tooLong)
    assert.throws(() => journal.append(record), { name: "JournalError", code: "too-long" });
  journal.append({ kind: "event", event: event("next") });
  await journal.commit("written");
  assert.deepEqual(readAll(directory), ["next"]);
});

test("the longest event that readers take is appended", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  const around = JSON.stringify(event("")).length;
  const longest = event("x".repeat(MAX_PAYLOAD - around));
  journal.append({ kind: "json", json: JSON.stringify(longest) });
  await journal.commit("written");
  assert.equal(readAll(directory)[0]?.length, MAX_PAYLOAD - around);
});

test("a commit waits for everything that was appended before it", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  const sizes = await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      journal.append({ kind: "event", event: event(String(index)) });
      await journal.commit(index % 2 === 0 ? "written" : "fsync");
      return readAll(directory).length > index;
    }),
  );
  assert.ok(sizes.every(Boolean));
  assert.deepEqual(
    readAll(directory),
    Array.from({ length: 300 }, (_, index) => String(index)),
  );
});

test("once commits come one by one, each is written before its maker goes on", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  for (let count = 0; count < 20; count += 1) {
    journal.append({ kind: "event", event: event("before") });
    await journal.commit("written");
    await setImmediate();
  }
  journal.append({ kind: "event", event: event("alone") });
  const { position } = journal;
  void journal.commit("written");
  assert.equal(new BigInt64Array(journal.end)[0], BigInt(position));
});

test("records that nobody waits for are written all the same", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  journal.append({ kind: "event", event: event("alone") });
  const end = new BigInt64Array(journal.end);
  await Atomics.waitAsync(end, 0, 0n, 5_000).value;
  assert.deepEqual(readAll(directory), ["alone"]);
});

test("the log goes over many segments, and a reader follows it", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX, segmentBytes: 500 });
  t.after(() => journal.close());
  const names = Array.from({ length: 100 }, (_, index) => `name-${index}`);
  for (const name of names) {
    journal.append({ kind: "event", event: event(name) });
    await journal.commit("written");
  }
  assert.ok(readdirSync(directory).length > 5);
  assert.deepEqual(readAll(directory), names);
});

test("trimming unlinks whole segments behind the position, and never the one in use", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX, segmentBytes: 500 });
  t.after(() => journal.close());
  for (let index = 0; index < 100; index += 1) {
    journal.append({ kind: "event", event: event(`name-${index}`) });
    await journal.commit("written");
  }
  const before = journal.bytes;
  await journal.trim(journal.position);
  assert.equal(readdirSync(directory).length, 1);
  assert.ok(journal.bytes < before);
});

test("a torn last frame is cut off at the next start, and what was whole is kept", async () => {
  const directory = temporaryDirectory();
  const first = await Journal.open({ directory, maxBytes: MAX });
  first.append({ kind: "event", event: event("whole") });
  await first.close();
  const [name = ""] = readdirSync(directory);
  appendFileSync(join(directory, name), frame({ kind: "event", event: event("torn") }).subarray(0, 20));

  const second = await Journal.open({ directory, maxBytes: MAX });
  assert.equal(second.recovery.truncatedBytes, 20);
  second.append({ kind: "event", event: event("next") });
  await second.close();
  assert.deepEqual(readAll(directory), ["whole", "next"]);
});

test("a journal that was opened and never written leaves no segment behind the next one", async () => {
  const directory = temporaryDirectory();
  for (let run = 0; run < 3; run += 1) await (await Journal.open({ directory, maxBytes: MAX })).close();
  assert.equal(readdirSync(directory).length, 1);
});

test("a log that lost its end to a power failure goes on behind what readers have already passed", async () => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX, after: 5_000 });
  journal.append({ kind: "event", event: event("new") });
  await journal.close();
  assert.deepEqual(readAll(directory, 5_000), ["new"]);
});

test("a directory that cannot be used is said in words", async () => {
  const directory = join(temporaryDirectory(), "file");
  writeFileSync(directory, "");
  await assert.rejects(Journal.open({ directory: join(directory, "journal"), maxBytes: MAX }), {
    name: "JournalError",
    code: "unusable",
    message: /not a directory: choose another dataDir/,
  });
});

test("a full journal says so, until a reader lets segments go", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: 2_000, segmentBytes: 500 });
  t.after(() => journal.close());
  while (journal.state === "open") {
    journal.append({ kind: "event", event: event("x".repeat(100)) });
    await journal.commit("written");
  }
  assert.equal(journal.state, "full");
  await journal.trim(journal.position);
  assert.equal(journal.state, "open");
});

test("the journal's files are for their owner alone", async (t) => {
  const directory = join(temporaryDirectory(), "journal");
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  for (const name of readdirSync(directory))
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
});

test("a write that fails is told to those who wait, and made good when it can be", async (t) => {
  // The next segment cannot be made while a directory has its temporary name: a fault that even root meets.
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX, segmentBytes: 1 });
  t.after(() => journal.close());
  journal.append({ kind: "event", event: event("first") });
  await journal.commit("fsync");
  const obstacle = join(directory, `${String(journal.position).padStart(20, "0")}.journal.new`);
  mkdirSync(obstacle);
  journal.append({ kind: "event", event: event("second") });
  await assert.rejects(journal.commit("fsync"), { name: "JournalError", code: "stalled" });
  assert.equal(journal.state, "stalled");
  const end = new BigInt64Array(journal.end);
  const recovered = Atomics.waitAsync(end, 0, Atomics.load(end, 0), 5_000).value;
  rmdirSync(obstacle);
  await recovered;
  assert.deepEqual(readAll(directory), ["first", "second"]);
});

/** Resolves when the newest segment has room ahead of what is written. */
async function grown(directory: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
    if (Math.max(...sizes) > 1024 * 1024) resolve();
  };
  const watcher = watch(directory, look);
  const timer = setTimeout(() => reject(new Error("no room was made in 10 s")), 10_000);
  // It may have come before there was somebody to be told.
  look();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    watcher.close();
  }
}

test("room that a crash leaves behind is no torn frame, and nothing of it is read", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  journal.append({ kind: "event", event: event("whole") });
  await journal.commit("fsync");
  await grown(directory);
  assert.deepEqual(readAll(directory), ["whole"]);
  // As kill -9 leaves it.
  const crashed = temporaryDirectory();
  cpSync(directory, crashed, { recursive: true });
  const [last] = listSegments(crashed).slice(-1);
  assert.equal(last && writtenEnd(last), journal.position);

  const next = await Journal.open({ directory: crashed, maxBytes: MAX });
  assert.equal(next.recovery.truncatedBytes, 0);
  assert.equal(next.recovery.end, journal.position);
  await next.close();
  assert.deepEqual(readAll(crashed), ["whole"]);
});

test("a closed journal has no room left behind its last frame", async () => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  journal.append({ kind: "event", event: event("last") });
  await journal.commit("fsync");
  await grown(directory);
  await journal.close();
  assert.deepEqual(
    listSegments(directory).map(({ end }) => end),
    [journal.position],
  );
});

test("room is made for more without touching what is written meanwhile", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX, segmentBytes: 24 * 1024 * 1024 });
  t.after(() => journal.close());
  const large = Buffer.alloc(300_000, 7);
  const exchange = uuidv7();
  await Promise.all(
    Array.from({ length: 200 }, async (_, sequence) => {
      journal.append({ kind: "event", event: event(String(sequence)) });
      await journal.commit("fsync");
      const offset = sequence * large.length;
      journal.append({
        kind: "body",
        chunk: { exchange, direction: "response", sequence, offset, bytes: large },
      });
      await journal.commit(sequence % 2 === 0 ? "written" : "fsync");
    }),
  );
  const reader = new JournalReader(directory, 0);
  const { records, gaps } = reader.read(MAX);
  reader.close();
  assert.deepEqual(gaps, []);
  const bodies = records.flatMap(({ record }) => (record.kind === "body" ? [record.chunk] : []));
  assert.equal(bodies.length, 200);
  assert.ok(bodies.every(({ bytes }) => large.equals(bytes)));
  assert.equal(records.length, 400);
});

// It did not look whether somebody else was writing there; which of the two came first was chance, so there are many.
test("room that a sync makes is never where a large write is under way", async (t) => {
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: MAX });
  t.after(() => journal.close());
  const exchange = uuidv7();
  const bytes = Buffer.alloc(600_000, 7);
  let writers = 4;
  const large = async (): Promise<void> => {
    for (let sequence = 0; sequence < 50; sequence += 1) {
      journal.append({
        kind: "body",
        chunk: { exchange, direction: "request", sequence, offset: 0, bytes },
      });
      await journal.commit(sequence % 3 === 0 ? "fsync" : "written");
    }
    writers -= 1;
  };
  const small = async (): Promise<void> => {
    while (writers > 0) {
      journal.append({ kind: "event", event: event("small") });
      await journal.commit("fsync");
    }
  };
  await Promise.all([...Array.from({ length: writers }, large), small()]);
  await journal.commit("written");
  assert.equal(readAll(directory).filter((name) => name === "body").length, 200);
});
