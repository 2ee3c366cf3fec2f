import type { CommandModule } from "yargs";
import { refusedJson, sessionJson } from "../archive/json.ts";
import { asText, writeAll } from "../archive/output.ts";
import { count } from "../archive/print/quantities.ts";
import { sessionTable } from "../archive/print/session.ts";
import { type Style, styleFor } from "../archive/print/style.ts";
import type { ArchivedSession } from "../archive/records/session.ts";
import { NO_SESSION } from "../archive/records/session.ts";
import type { ArchiveSearch, SessionFilter } from "../archive/search.ts";
import { withSearch } from "../archive/with-search.ts";
import { type FindArguments, findOf, findOptions, pageToken } from "./find-options.ts";

/** `bqtape sessions`: lists what was recorded, the most recently active first. */
export const sessions: CommandModule<object, FindArguments> = {
  command: "sessions",
  describe: "list recorded sessions",
  builder: findOptions,
  handler: async (given) => {
    const filter = findOf(given);
    await withSearch(given, async (search, directory) => {
      const lines =
        given.json === true
          ? jsonLines(search, filter)
          : listLines(search, filter, directory, styleFor(process.stdout));
      await writeAll(process.stdout, asText(lines));
    });
  },
};

interface Page {
  readonly found: readonly ArchivedSession[];
  /** Absent of the last page. */
  readonly next?: string;
}

function pageOf(search: ArchiveSearch, filter: SessionFilter): Page {
  const limit = filter.limit ?? 50;
  // One more than is shown tells whether there are more.
  const more = search.sessions({ ...filter, limit: limit + 1 });
  const found = more.slice(0, limit);
  const last = found.at(-1);
  if (last === undefined || more.length === found.length) return { found };
  return { found, next: pageToken({ value: last.lastActivity, id: last.id }) };
}

function* jsonLines(search: ArchiveSearch, filter: SessionFilter): Generator<string> {
  const refused = search.withoutSession();
  const unknown = search.refusedIdentities();
  const { found, next } = pageOf(search, filter);
  yield JSON.stringify({
    sessions: found.map(sessionJson),
    ...(next !== undefined && { nextPage: next }),
    ...(refused !== undefined && { withoutSession: sessionJson(refused) }),
    ...(unknown !== undefined && { refusedIdentities: refusedJson(unknown) }),
    gaps: search.gaps(),
  });
}

/** What people are shown. */
export function* listLines(
  search: ArchiveSearch,
  filter: SessionFilter,
  dataDir: string,
  style: Style,
): Generator<string> {
  const { found, next } = pageOf(search, filter);
  if (found.length > 0) yield* sessionTable(found, style);
  else if (search.sessions({ limit: 1 }).length > 0) yield "No recorded session is like that.";
  else yield `Nothing has been recorded in ${dataDir} yet.`;
  if (next !== undefined) yield `There are more: --page ${next}`;
  const refused = search.withoutSession();
  if (refused !== undefined) {
    yield `${count(refused.exchanges, "request")} refused before a session began: bqtape replay ${NO_SESSION}`;
  }
  const unknown = search.refusedIdentities();
  if (unknown !== undefined) {
    const { source, reason } = unknown.last;
    yield `${count(unknown.count, "connection")} refused as unknown, the last from ${source.address} (${reason})`;
  }
}
