import type { CommandModule, InferredOptionTypes } from "yargs";
import { statementJson } from "../archive/json.ts";
import { asText, writeAll } from "../archive/output.ts";
import { statementTable } from "../archive/print/statements.ts";
import { type Style, styleFor } from "../archive/print/style.ts";
import type { ArchivedStatement } from "../archive/records/statement.ts";
import type { ArchiveSearch, StatementFilter } from "../archive/search.ts";
import { withSearch } from "../archive/with-search.ts";
import { type Find, findOf, findOptions, pageToken } from "./find-options.ts";

const options = {
  ...findOptions,
  session: { type: "string", describe: "of this session" },
  "min-rows": { type: "number", describe: "that answered at least so many rows" },
  "min-bytes": { type: "number", describe: "whose answers had at least so many bytes" },
  order: {
    choices: ["time", "rows", "bytes", "processed"],
    default: "time",
    describe: "the most first: latest, rows answered, bytes answered, bytes processed",
  },
} as const;

/** `bqtape statements`: lists what was asked of BigQuery, each statement with all that was answered for it. */
export const statements: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "statements",
  describe: "list recorded statements",
  builder: options,
  handler: async (given) => {
    const { session, minRows, minBytes, order } = given;
    const filter = { ...findOf(given), session, minRows, minBytes, order: order as Order };
    await withSearch(given, async (search) => {
      const page = pageOf(search, filter);
      const lines = given.json === true ? jsonLines(page) : listLines(page, styleFor(process.stdout));
      await writeAll(process.stdout, asText(lines));
    });
  },
};

type Order = NonNullable<StatementFilter["order"]>;

interface Page {
  readonly statements: readonly ArchivedStatement[];
  /** Absent of the last page. */
  readonly next?: string;
}

function pageOf(search: ArchiveSearch, filter: Find & StatementFilter & { order: Order }): Page {
  // One more than is shown tells whether there are more.
  const found = search.statements({ ...filter, limit: filter.limit + 1 });
  const statements = found.slice(0, filter.limit);
  const last = statements.at(-1);
  if (last === undefined || found.length === statements.length) return { statements };
  return { statements, next: pageToken({ value: VALUES[filter.order](last), id: last.id }) };
}

const VALUES: Readonly<Record<Order, (statement: ArchivedStatement) => number>> = {
  time: ({ time }) => time,
  rows: ({ rows = 0 }) => rows,
  bytes: ({ bytes = 0 }) => bytes,
  processed: ({ bytesProcessed = 0 }) => bytesProcessed,
};

function* jsonLines({ statements, next }: Page): Generator<string> {
  yield JSON.stringify({
    statements: statements.map(statementJson),
    ...(next !== undefined && { nextPage: next }),
  });
}

function* listLines({ statements, next }: Page, style: Style): Generator<string> {
  if (statements.length === 0) yield "No recorded statement is like that.";
  else yield* statementTable(statements, style);
  if (next !== undefined) yield `There are more: --page ${next}`;
}
