import { ArchiveSearch } from "../../../src/archive/search.ts";
import { FORMER, LEFT } from "./generate.ts";

/** What a person may ask of an archive, and how long each answer takes. Prints one JSON object. */

export interface Found {
  /** Milliseconds: the first time, and the median of those after it. */
  readonly times: Readonly<Record<string, { readonly first: number; readonly again: number }>>;
  readonly peakBytes: number;
  /** The session that has the most exchanges. */
  readonly longest: string;
}

const ROUNDS = 5;
const search = new ArchiveSearch(process.argv[2] ?? "", false);
const latest = search.statements({ limit: 200 });
const one = latest.at(-1) ?? process.exit(1);
const [middle] = search.statements({ limit: 1, until: one.time - 86_400_000 });
const { user, session } = one;

const QUESTIONS: Readonly<Record<string, () => readonly unknown[]>> = {
  "statements, latest": () => search.statements(),
  "statements, next page": () => search.statements({ after: { value: one.time, id: one.id } }),
  "of a user": () => search.statements({ user }),
  "of a user who left long ago": () => search.statements({ user: LEFT }),
  "of a group": () => search.statements({ group: "finance" }),
  "of an agent": () => search.statements({ agent: "nightly" }),
  "of a session": () => search.statements({ session }),
  "by table": () => search.statements({ table: "dataset_3.table_23" }),
  "by a column of each result": () => search.statements({ column: "customer_email" }),
  "by a column of some": () => search.statements({ column: "country" }),
  "by rare words": () =>
    search.statements({ text: middle?.sql?.split("AND ")[2]?.split("\n")[0] ?? "order_id" }),
  "by words of each": () => search.statements({ text: "select order_id" }),
  "by words of none": () => search.statements({ text: "drop table" }),
  "by words of long ago": () => search.statements({ text: FORMER }),
  "of a user who left, by words of each": () => search.statements({ user: LEFT, text: "select order_id" }),
  refused: () => search.statements({ denied: true }),
  "by status": () => search.statements({ status: 403 }),
  "by a type of none": () => search.statements({ type: "DROP_TABLE" }),
  "in an hour of yesterday": () => search.statements({ since: one.time - 9e7, until: one.time - 8.64e7 }),
  "more rows than any has": () => search.statements({ minRows: 1e9 }),
  "most rows": () => search.statements({ order: "rows" }),
  "most bytes of a user": () => search.statements({ order: "bytes", user }),
  "most processed of a group": () => search.statements({ order: "processed", group: "support" }),
  "many rows, of a user, refused": () => search.statements({ user, denied: true, minRows: 0 }),
  "words and table": () => search.statements({ text: "select order_id", table: "table_23" }),
  "sessions, latest": () => search.sessions(),
  "sessions of a user": () => search.sessions({ user }),
  "sessions by table": () => search.sessions({ table: "table_23" }),
  "sessions by words of each": () => search.sessions({ text: "select order_id" }),
  "sessions by words of long ago": () => search.sessions({ text: FORMER }),
  "sessions refused": () => search.sessions({ denied: true }),
};

const times: Record<string, { first: number; again: number }> = {};
for (const [question, ask] of Object.entries(QUESTIONS)) {
  const [first = 0, ...again] = Array.from({ length: 1 + ROUNDS }, () => timed(ask));
  times[question] = { first, again: again.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0 };
}
const [longest] = search.sessions({ limit: 1_000 }).toSorted((a, b) => b.exchanges - a.exchanges);
const found: Found = {
  times,
  peakBytes: process.resourceUsage().maxRSS * 1024,
  longest: longest?.id ?? "",
};
search.close();
process.stdout.write(JSON.stringify(found));

function timed(ask: () => readonly unknown[]): number {
  const before = performance.now();
  ask();
  return performance.now() - before;
}
