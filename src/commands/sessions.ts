import type { CommandModule, InferredOptionTypes } from "yargs";
import { messageOf } from "../archive/errors.ts";
import { refusedJson, sessionJson } from "../archive/json.ts";
import { asText, writeAll } from "../archive/output.ts";
import { count } from "../archive/print/quantities.ts";
import { sessionTable } from "../archive/print/session.ts";
import { type Style, styleFor } from "../archive/print/style.ts";
import { type ArchiveSearch, NO_SESSION, type SessionFilter } from "../archive/search.ts";
import { parseSince } from "../archive/since.ts";
import { withSearch } from "../archive/with-search.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  user: { type: "string", describe: "of this user or subject" },
  since: { type: "string", describe: "active since: 15m, 2h, 1d, or an ISO 8601 time" },
  table: { type: "string", describe: "touching a table: [[project.]dataset.]table" },
  text: { type: "string", describe: "with this in their SQL" },
  denied: { type: "boolean", describe: "with a refused exchange" },
  limit: { type: "number", default: 50, describe: "sessions shown at most" },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

/** `bqtape sessions`: lists what was recorded, the most recently active first. */
export const sessions: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "sessions",
  describe: "list recorded sessions",
  builder: options,
  handler: async (given) => {
    const { user, table, text, denied } = given;
    const since = given.since === undefined ? undefined : sinceOption(given.since);
    const filter: SessionFilter = { user, since, table, text, denied, limit: positiveInteger(given.limit) };
    await withSearch(given, async (search, directory) => {
      const lines =
        given.json === true
          ? jsonLines(search, filter)
          : listLines(search, filter, directory, styleFor(process.stdout));
      await writeAll(process.stdout, asText(lines));
    });
  },
};

function* jsonLines(search: ArchiveSearch, filter: SessionFilter): Generator<string> {
  const refused = search.withoutSession();
  const unknown = search.refusedIdentities();
  yield JSON.stringify({
    sessions: search.sessions(filter).map(sessionJson),
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
  const limit = filter.limit ?? 50;
  // One more than is shown tells whether there are more.
  const found = search.sessions({ ...filter, limit: limit + 1 });
  if (found.length > 0) yield* sessionTable(found.slice(0, limit), style);
  else if (search.sessions({ limit: 1 }).length > 0) yield "No recorded session is like that.";
  else yield `Nothing has been recorded in ${dataDir} yet.`;
  if (found.length > limit) yield `There are more: --limit ${limit * 2} shows them.`;
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

function sinceOption(text: string): number {
  try {
    return parseSince(text);
  } catch (cause) {
    throw new UsageError(`--since ${messageOf(cause)}`, { cause });
  }
}

function positiveInteger(value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError("--limit takes a whole number from 1 on");
}
