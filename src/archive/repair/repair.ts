import { hash } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { archiveFile } from "../../config/paths.ts";
import { JournalReader, type Positioned } from "../../recording/reader.ts";
import { listSegments } from "../../recording/segments.ts";
import type { DamagedBlock } from "../blocks/reader.ts";
import { journalsOf } from "../catch-up.ts";
import { messageOf } from "../errors.ts";
import type { JournalSource } from "../ingest.ts";
import { ArchiveStore } from "../store.ts";
import { copyRows } from "./copy-rows.ts";
import { type SalvagedBlock, salvageBlocks } from "./salvage.ts";

/** What a repair found, saved and could not save. */
export interface Repaired {
  /** Where the damaged file is now; absent when nothing was damaged, and nothing was done. */
  readonly kept?: string;
  readonly problems: readonly string[];
  /** Blocks that could not be read. */
  readonly lost: readonly DamagedBlock[];
  readonly blocks: number;
  readonly records: number;
}

/** In place of a journal's name, of what was recorded in one that is not known any more. */
const UNKNOWN_JOURNAL = "repaired";

/** Problems that are told at most: a file of noise has no end of them. */
const MAX_PROBLEMS = 100;
const READ_BYTES = 1024 * 1024;

/**
 * Makes a new archive of what a damaged one and the journals still hold, by the way that all recordings come in, and puts it in
 * the old one's place, which is kept aside. Never by itself: what cannot be read is evidence, too, and whoever looks after it
 * has to know. The data directory's lock is held by the caller.
 *
 * @param now milliseconds since the Unix epoch; in the name of the file that is kept.
 */
export function repair(dataDir: string, masterKey: Buffer, now: number): Repaired {
  const file = archiveFile(dataDir);
  const problems: string[] = [];
  const lost: DamagedBlock[] = [];
  const note = (problem: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push(problem);
  };
  const fresh = `${file}.repair`;
  for (const suffix of SUFFIXES) rmSync(fresh + suffix, { force: true });
  const counts = { blocks: 0, records: 0 };
  const old = openDamaged(file, note);
  try {
    if (old !== undefined) noteIntegrity(old, note);
    const store = new ArchiveStore(fresh, masterKey);
    const applier = new Applier(store);
    try {
      if (old !== undefined) {
        for (const block of salvageBlocks(old, masterKey, (each) => lost.push(each), note)) {
          applier.block(block);
          counts.blocks += 1;
          counts.records += block.records.length;
        }
        store.maintain((keeping) => copyRows(old, keeping.database, note));
      }
      if (problems.length + lost.length === 0) return { problems, lost, ...counts };
      for (const journal of journalsOf(dataDir)) applier.journal(journal);
      store.emptyLog();
    } finally {
      store.close();
    }
  } finally {
    closeDamaged(old);
    if (problems.length + lost.length === 0)
      for (const suffix of SUFFIXES) rmSync(fresh + suffix, { force: true });
  }
  const kept = `${file}.damaged-${new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "")}`;
  for (const suffix of SUFFIXES) if (existsSync(file + suffix)) renameSync(file + suffix, kept + suffix);
  renameSync(fresh, file);
  return { kept, problems, lost, ...counts };
}

/** Of a database: itself, and what SQLite keeps beside it. */
const SUFFIXES = ["", "-wal", "-shm"];

function openDamaged(file: string, note: (problem: string) => void): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return database;
  } catch (error) {
    note(`nothing in the file can be read: ${messageOf(error)}`);
    closeDamaged(database);
    return undefined;
  }
}

function noteIntegrity(database: DatabaseSync, note: (problem: string) => void): void {
  try {
    for (const { integrity_check: problem } of database.prepare("PRAGMA integrity_check(20)").all()) {
      if (problem !== "ok") note(String(problem));
    }
  } catch (error) {
    note(messageOf(error));
  }
}

function closeDamaged(database: DatabaseSync | undefined): void {
  try {
    database?.close();
  } catch {
    // It is read no more.
  }
}

/** Applies records of which some may be there already. */
class Applier {
  readonly #store: ArchiveStore;
  /** Digests of events that belong to no exchange, by which they are known again: few beside exchanges. */
  readonly #seen = new Set<string>();

  constructor(store: ArchiveStore) {
    this.#store = store;
  }

  block({ records }: SalvagedBlock): void {
    const positioned = records.flatMap((record, at) =>
      this.#fresh({ record, at: placeOf(record, at), next: at + 1 }),
    );
    this.#store.applySaved(UNKNOWN_JOURNAL, { records: positioned, gaps: [], next: 0 });
  }

  journal({ name, directory }: JournalSource): void {
    const reader = new JournalReader(directory, listSegments(directory)[0]?.base ?? 0);
    try {
      for (;;) {
        const { records, gaps, next } = reader.read(READ_BYTES);
        if (records.length === 0 && gaps.length === 0) return;
        this.#store.applySaved(name, { records: records.flatMap((each) => this.#fresh(each)), gaps, next });
      }
    } finally {
      reader.close();
    }
  }

  #fresh({ record, at, next }: Positioned): Positioned[] {
    if (record.kind === "event" && !("exchange" in record.event)) {
      const digest = hash("sha256", JSON.stringify(record.event), "base64");
      if (this.#seen.has(digest)) return [];
      this.#seen.add(digest);
    }
    return [{ record, at, next }];
  }
}

/** No gateway's start may cut short here what others did: that is copied from the rows of before. */
function placeOf(record: Positioned["record"], at: number): number {
  return record.kind === "event" && record.event.type === "gateway.started" ? 0 : at;
}
