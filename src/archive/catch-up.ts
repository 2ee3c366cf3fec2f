import { existsSync, readdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { archiveFile, journalDirectory, journalsDirectory } from "../config/paths.ts";
import { tryLock } from "../recording/lock.ts";
import { listSegments, writtenEnd } from "../recording/segments.ts";
import { readCheckpoints } from "./archive.ts";
import { ArchiveError, isDamage, messageOf, withDamageInWords } from "./errors.ts";
import { Ingest, type JournalSource } from "./ingest.ts";
import { ArchiveStore } from "./store.ts";

/** Whether the archive holds all that the journals held when it was asked. */
export interface Freshness {
  /** Whether a gateway (or another command) holds the data directory; if not, nothing in it is still running. */
  readonly live: boolean;
  /** Bytes of journal that are not in the archive; more than 0 only when a live gateway's archive is that far behind. */
  readonly behind: number;
}

export interface CatchUpOptions {
  /** Milliseconds to wait for a live gateway's own archive. Default 3 000. */
  readonly timeout?: number;
  /** 32 bytes. Default: what is in `archive.key` beside the archive. */
  readonly masterKey?: Buffer | undefined;
}

const POLL = 20;

/**
 * Brings the archive up to the journals' ends. Without a gateway on the data directory this process writes it; with one,
 * the gateway's worker does, and is waited for.
 *
 * @throws {ArchiveError} when there is no such directory, or the archive cannot be written.
 */
export async function catchUp(
  dataDir: string,
  { timeout = 3_000, masterKey }: CatchUpOptions = {},
): Promise<Freshness> {
  if (!existsSync(dataDir)) {
    throw new ArchiveError(
      "no-data-directory",
      `nothing was recorded in ${dataDir}: there is no such directory`,
    );
  }
  const ends = journalEnds(dataDir);
  const deadline = performance.now() + timeout;
  for (;;) {
    // A gateway may end while it is waited for, and then leaves the rest to us.
    if (orArchiveError(dataDir, () => catchUpAlone(dataDir, masterKey))) return { live: false, behind: 0 };
    const behind = bytesBehind(dataDir, ends);
    if (behind === 0 || performance.now() >= deadline) return { live: true, behind };
    await delay(POLL);
  }
}

function orArchiveError<T>(dataDir: string, use: () => T): T {
  try {
    return use();
  } catch (cause) {
    if (cause instanceof ArchiveError) throw cause;
    if (isDamage(cause)) throw withDamageInWords(archiveFile(dataDir), cause);
    throw new ArchiveError("failed", `the recordings in ${dataDir} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function catchUpAlone(dataDir: string, masterKey: Buffer | undefined): boolean {
  const lock = tryLock(dataDir);
  if (lock === undefined) return false;
  try {
    const journals = journalsOf(dataDir);
    if (journals.length === 0) return true;
    const store = new ArchiveStore(archiveFile(dataDir), masterKey);
    try {
      const ingest = new Ingest(store, journals);
      try {
        for (const { name } of journals) while (ingest.step(name));
        store.sync();
      } finally {
        ingest.close();
      }
    } finally {
      store.close();
    }
    return true;
  } finally {
    lock.release();
  }
}

/** The journals in a data directory. */
export function journalsOf(dataDir: string): JournalSource[] {
  if (!existsSync(journalsDirectory(dataDir))) return [];
  return readdirSync(journalsDirectory(dataDir), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, directory: journalDirectory(dataDir, name) }));
}

/** Where each journal ends now. */
function journalEnds(dataDir: string): Map<string, number> {
  return new Map(
    journalsOf(dataDir).map(({ name, directory }) => {
      const last = listSegments(directory).at(-1);
      return [name, last === undefined ? 0 : writtenEnd(last)];
    }),
  );
}

function bytesBehind(dataDir: string, ends: ReadonlyMap<string, number>): number {
  const checkpoints = readCheckpoints(dataDir);
  let behind = 0;
  for (const [name, end] of ends) behind += Math.max(0, end - (checkpoints.get(name) ?? 0));
  return behind;
}
