import { count, formatBytes, formatTime } from "../print/quantities.ts";
import type { Style } from "../print/style.ts";
import { formatTable } from "../print/table.ts";
import type { Finding, Ledger } from "./ledger.ts";
import type { ReconcileCounts } from "./reconcile.ts";

/** Findings that are held at a time: a table's columns are as wide as the cells of one of its parts. */
const ROWS = 500;

const TITLES: Readonly<Record<Finding["kind"], string>> = {
  unrecorded: "Ran with the gateway's credential, but was not recorded by a gateway:",
  unknown: "Recorded, but BigQuery does not know the job:",
  outcome: "Recorded with another outcome than BigQuery has:",
};

/** What people are shown. */
export function* reconcileLines(ledger: Ledger, counts: ReconcileCounts, style: Style): Generator<string> {
  for (const [kind, title] of Object.entries(TITLES) as [Finding["kind"], string][]) {
    if (counts[kind] === 0) continue;
    yield style.paint("bold", title);
    yield* tables(ledger, kind);
    yield "";
  }
  const { jobs, others, recorded, children, nameless, young, unrecorded } = counts;
  yield `${count(jobs, "job")} with the gateway's credential: ${[
    `${recorded + children + nameless} recorded${notes([
      [children, "as parts of scripts"],
      [nameless, "by their SQL and time, since no answer named them"],
    ])}`,
    `${unrecorded} not recorded`,
    ...(young > 0 ? [`${young} too young to say`] : []),
  ].join(", ")}`;
  if (others > 0) yield `${count(others, "job")} of others, not looked into`;
  yield `${count(counts.asked, "recorded job")}: ${counts.unknown} not known to BigQuery, ${counts.outcome} with another outcome`;
}

function notes(parts: readonly (readonly [number, string])[]): string {
  const told = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  return told.length === 0 ? "" : ` (${told.join(", ")})`;
}

function* tables(ledger: Ledger, kind: Finding["kind"]): Generator<string> {
  let rows: Finding[] = [];
  for (const finding of ledger.findings()) {
    if (finding.kind !== kind) continue;
    rows.push(finding);
    if (rows.length < ROWS) continue;
    yield* table(kind, rows);
    rows = [];
  }
  if (rows.length > 0) yield* table(kind, rows);
}

function table(kind: Finding["kind"], rows: readonly Finding[]): string[] {
  const columns = COLUMNS[kind];
  return formatTable(
    columns.map(({ title, right = false }) => ({ title, right })),
    rows.map((row) => columns.map(({ of }) => of(row) ?? "")),
    // Cut columns would hide what is looked for, so lines may be longer than the terminal is wide.
    { width: Number.POSITIVE_INFINITY, maxCell: 100 },
  );
}

interface Column {
  readonly title: string;
  readonly right?: boolean;
  readonly of: (finding: Finding) => string | undefined;
}

const WHERE: readonly Column[] = [
  { title: "time", of: ({ time }) => formatTime(time) },
  { title: "job", of: ({ job, location }) => (location === undefined ? job : `${location}.${job}`) },
  { title: "user", of: ({ user }) => user },
];

const COLUMNS: Readonly<Record<Finding["kind"], readonly Column[]>> = {
  unrecorded: [
    ...WHERE,
    { title: "what", of: ({ type, statementType }) => statementType ?? type },
    {
      title: "bytes",
      right: true,
      of: ({ bytesProcessed }) => (bytesProcessed === undefined ? undefined : formatBytes(bytesProcessed)),
    },
    { title: "statement", of: ({ sql }) => sql },
  ],
  unknown: [...WHERE, { title: "exchange", of: ({ exchange }) => exchange }],
  outcome: [
    ...WHERE,
    { title: "recorded", of: ({ recorded }) => recorded },
    { title: "BigQuery", of: ({ actual }) => actual },
    { title: "exchange", of: ({ exchange }) => exchange },
  ],
};

/** One JSON object in parts, since there may be more findings than fit in memory: times as ISO 8601, sizes in bytes. */
export function* reconcileJson(
  ledger: Ledger,
  counts: ReconcileCounts,
  about: { readonly project: string; readonly since: number; readonly until: number },
): Generator<string> {
  const { project, since, until } = about;
  const head = JSON.stringify({ project, since: isoTime(since), until: isoTime(until), counts });
  yield `${head.slice(0, -1)},"findings":[`;
  let separator = "";
  for (const finding of ledger.findings()) {
    yield separator + JSON.stringify({ ...finding, time: isoTime(finding.time) });
    separator = ",";
  }
  yield "]}\n";
}

function isoTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}
