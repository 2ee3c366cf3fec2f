import type { ArchiveConfig } from "../config/archive.ts";
import { resolveArchive } from "../config/data-dir.ts";
import { archiveFile } from "../config/paths.ts";
import type { DamagedBlock } from "./blocks/reader.ts";
import type { CatchUpOptions, Freshness } from "./catch-up.ts";
import { openMasterKey } from "./encryption/master-key.ts";
import { withDamageInWords } from "./errors.ts";
import { count, formatBytes } from "./print/quantities.ts";
import { visible } from "./print/visible.ts";
import { type ArchiveSearch, openSearch } from "./search.ts";

export type { Freshness } from "./catch-up.ts";

/** How a command names its data directory. */
export interface DataDirArguments {
  readonly config?: string | undefined;
  readonly dataDir?: string | undefined;
}

/** An archive that is up to date, or as far as `freshness` tells. */
export interface OpenArchive {
  readonly search: ArchiveSearch;
  readonly freshness: Freshness;
  readonly directory: string;
  readonly masterKey: Buffer | undefined;
  readonly config: ArchiveConfig;
}

/**
 * Opens the archive that a command's options name.
 *
 * @throws {ArchiveError}
 */
export async function openArchive(
  given: DataDirArguments,
  options: CatchUpOptions & { readonly onDamage?: (block: DamagedBlock) => void } = {},
): Promise<OpenArchive> {
  const place = await resolveArchive(given);
  const { dataDir: directory, archive: config } = place;
  const masterKey = await openMasterKey(place);
  const { search, freshness } = await inWords(directory, () =>
    openSearch(directory, { ...options, masterKey }),
  );
  return { search, freshness, directory, masterKey, config };
}

/**
 * Runs a command on an archive that is up to date, and says on standard error what may be missing in it. When something that
 * it asked for could not be read, the exit code is 1.
 *
 * @throws {ArchiveError}
 */
export async function withSearch(
  given: DataDirArguments,
  run: (search: ArchiveSearch, dataDir: string) => Promise<void>,
): Promise<void> {
  const damaged = new Map<number, DamagedBlock>();
  const onDamage = (block: DamagedBlock): void => void damaged.set(block.id, block);
  const { search, freshness, directory } = await openArchive(given, { onDamage });
  try {
    await inWords(directory, () => run(search, directory));
    for (const { id, scope, problem } of damaged.values()) {
      warn(`block ${id} of ${visible(scope)} cannot be read: ${problem}; what it held is missing here`);
      process.exitCode = 1;
    }
    const gaps = search.gaps();
    if (freshness.behind > 0) {
      warn(
        `the gateway's archive is ${formatBytes(freshness.behind)} behind: the latest may be missing here`,
      );
    }
    if (gaps.length > 0) {
      warn(`${count(gaps.length, "part")} of the journal could not be read: something may be missing here`);
    }
  } finally {
    search.close();
  }
}

/** Runs what reads an archive; when its file turns out to be damaged, the error says what to do. */
export async function inWords<Result>(directory: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw withDamageInWords(archiveFile(directory), error);
  }
}

function warn(message: string): void {
  process.stderr.write(`bqtape: ${message}\n`);
}
