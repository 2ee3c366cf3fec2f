import { resolveDataDir } from "../config/data-dir.ts";
import { count, formatBytes } from "./print/quantities.ts";
import { type ArchiveSearch, openSearch } from "./search.ts";

/** How a command names its data directory. */
export interface DataDirArguments {
  readonly config?: string | undefined;
  readonly dataDir?: string | undefined;
}

/**
 * Runs a command on an archive that is up to date, and says on standard error what may be missing in it.
 *
 * @throws {ArchiveError}
 */
export async function withSearch(
  { config, dataDir }: DataDirArguments,
  run: (search: ArchiveSearch, dataDir: string) => Promise<void>,
): Promise<void> {
  const directory = await resolveDataDir({
    ...(config !== undefined && { config }),
    ...(dataDir !== undefined && { dataDir }),
  });
  const { search, freshness } = await openSearch(directory);
  try {
    await run(search, directory);
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

function warn(message: string): void {
  process.stderr.write(`bqtape: ${message}\n`);
}
