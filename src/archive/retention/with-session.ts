import { archiveFile } from "../../config/paths.ts";
import { deliveredOf } from "../../delivery/delivered.ts";
import { journalsOf } from "../catch-up.ts";
import { ArchiveError } from "../errors.ts";
import type { JournalSource } from "../ingest.ts";
import { formatBytes } from "../print/quantities.ts";
import type { ArchivedSession } from "../records/session.ts";
import { NO_SESSION } from "../records/session.ts";
import type { ArchiveSearch } from "../search.ts";
import { ArchiveStore } from "../store.ts";
import { type DataDirArguments, type Freshness, inWords, openArchive } from "../with-search.ts";

/** What is needed to change what is kept of a session. */
export interface KeptSession {
  readonly session: ArchivedSession;
  readonly store: ArchiveStore;
  /** The data directory. */
  readonly directory: string;
  readonly freshness: Freshness;
  readonly journals: readonly JournalSource[];
  /** Up to where a journal is delivered; undefined when it is not to be. */
  readonly delivered: (journal: string) => number | undefined;
}

/** Milliseconds for a gateway's archive to come to the ends of its journals. */
const PATIENCE = 30_000;

/**
 * Runs what changes a session's recording, on an archive that has all of it.
 *
 * @param prefix a session's id, or its beginning.
 * @throws {ArchiveError} when there is no such session, or the archive does not come to the journals' ends.
 */
export async function withSession(
  given: DataDirArguments,
  prefix: string,
  run: (kept: KeptSession) => Promise<void>,
): Promise<void> {
  const { search, freshness, directory, masterKey } = await openArchive(given, { timeout: PATIENCE });
  let session: ArchivedSession;
  try {
    session = sessionOf(search, prefix);
  } finally {
    search.close();
  }
  if (freshness.behind > 0) {
    throw new ArchiveError(
      "failed",
      `the gateway's archive is ${formatBytes(freshness.behind)} behind, and may lack records of session ${session.id}: nothing was done; try again when it has caught up`,
    );
  }
  const store = new ArchiveStore(archiveFile(directory), masterKey);
  try {
    const [journals, delivered] = [journalsOf(directory), deliveredOf(directory)];
    await inWords(directory, () => run({ session, store, directory, freshness, journals, delivered }));
  } finally {
    store.close();
  }
}

function sessionOf(search: ArchiveSearch, prefix: string): ArchivedSession {
  if (prefix === NO_SESSION) {
    throw new ArchiveError("unknown-id", "what was refused before it had a session is no session");
  }
  const found = search.find(prefix);
  if (found.kind === "session") return found.session;
  const { id, session = NO_SESSION } = found.exchange;
  throw new ArchiveError("unknown-id", `${id} is an exchange of session ${session}: name the session`);
}
