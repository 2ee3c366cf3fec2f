import { existsSync } from "node:fs";
import { ArchiveError } from "../../archive/errors.ts";
import { tryLock } from "../../recording/lock.ts";

/**
 * Runs what no gateway may disturb.
 *
 * @param otherwise what a gateway does that must not be, as it goes on.
 * @throws {ArchiveError} when there is no such directory, or a gateway uses it.
 */
export async function withLock(dataDir: string, otherwise: string, run: () => Promise<void>): Promise<void> {
  if (!existsSync(dataDir)) {
    throw new ArchiveError(
      "no-data-directory",
      `nothing was recorded in ${dataDir}: there is no such directory`,
    );
  }
  const lock = tryLock(dataDir);
  if (lock === undefined) {
    throw new ArchiveError(
      "failed",
      `a gateway uses ${dataDir}, and ${otherwise}: stop it, and start it again behind this`,
    );
  }
  try {
    await run();
  } finally {
    lock.release();
  }
}
