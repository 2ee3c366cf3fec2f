import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Held by the one gateway (or offline command) that may write in a data directory. */
export interface DataDirectoryLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Takes the data directory's lock, or answers `undefined` when another process holds it. The lock is an operating system's
 * file lock, so it is free the moment its holder dies, however it dies. Node has no call for one; SQLite's exclusive
 * transaction is one on every platform.
 *
 * @throws when the directory cannot be made or written.
 */
export function tryLock(dataDir: string): DataDirectoryLock | undefined {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(dataDir, "lock"));
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
