import { stat, statfs } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { archiveFile } from "../config/paths.ts";

/** Bytes; what could not be learned, or not in time, is absent. */
export interface DiskState {
  /** That this user may still write where the data directory is. */
  readonly free?: number;
  /** Of the archive's file with its log. */
  readonly archive?: number;
}

/** Milliseconds that a scrape waits for a disk. */
const PATIENCE = 1_000;

/**
 * Looks how full the disk is. Of a mount that hangs each call would keep a thread for good, and of those there are four for all
 * files and names: so there is one look at a time, and who is not told in time goes on without.
 */
export class DiskUse {
  readonly #look: () => Promise<DiskState>;
  readonly #patience: number;
  #looking: Promise<DiskState> | undefined;

  constructor(look: () => Promise<DiskState>, patience = PATIENCE) {
    this.#look = look;
    this.#patience = patience;
  }

  /** Never fails. */
  async state(): Promise<DiskState> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    const given = this.#looking.catch(() => ({}));
    return await Promise.race([given, delay(this.#patience, {}, { ref: false })]);
  }
}

/** How it is with a data directory's disk now. */
export async function lookAtDisk(dataDir: string, archived: boolean): Promise<DiskState> {
  const file = archiveFile(dataDir);
  const [free, archive, log] = await Promise.all([
    known(statfs(dataDir).then(({ bavail, bsize }) => bavail * bsize)),
    archived ? known(sizeOf(file)) : undefined,
    archived ? known(sizeOf(`${file}-wal`)) : undefined,
  ]);
  return {
    ...(free !== undefined && { free }),
    // The log goes when the last one closes the archive.
    ...(archive !== undefined && { archive: archive + (log ?? 0) }),
  };
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file)).size;
}

async function known(asked: Promise<number>): Promise<number | undefined> {
  return await asked.catch(() => undefined);
}
