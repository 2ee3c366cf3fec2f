import { type Column, schemaOf } from "../../bigquery/rows.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { ArchiveSearch } from "../search.ts";
import { type AnswerPart, answerParts } from "./answer-parts.ts";
import { type Body, bodyBytes, inspectBody } from "./bodies.ts";

/** A page of rows that an agent got. */
export interface Page {
  /** Id of the exchange. */
  readonly exchange: string;
  readonly body: Body;
  /** What it was asked by: a page token, or where it begins. */
  readonly token?: string;
  readonly startIndex: number;
  /** What the next page is asked by. */
  readonly nextToken?: string;
  readonly rows: number;
  /** Whether all of it came. */
  readonly whole: boolean;
}

/** A statement's result, or a table that was read, as far as an agent read it. */
export interface Result {
  /** Id of its first exchange, such as the statement's. */
  readonly exchange: string;
  /** Undefined when no answer of the session tells. */
  readonly columns?: readonly Column[] | undefined;
  readonly pages: readonly Page[];
  /** Rows of the whole result, when an answer says. */
  readonly totalRows?: number | undefined;
}

const ASKED = new Set(["jobs.query", "jobs.insert"]);
const ROWS = new Set(["jobs.query", "jobs.getQueryResults", "tabledata.list"]);
const TELLING = new Set([...ASKED, ...ROWS, "jobs.get", "tables.get"]);

/** A result, with all pages that were read, in the order they were. */
export interface Gathered extends Result {
  readonly read: readonly Page[];
}

/**
 * Finds which exchanges of a session are pages of which result: those of one job, and readings of the job's destination
 * table, since old clients read results that way. Later pages often have no schema, so the first answer that has one gives
 * it. Holds a few words for each page.
 */
export async function gatherResults(
  search: ArchiveSearch,
  exchanges: Iterable<ArchivedExchange>,
): Promise<Gathered[]> {
  const results = new Map<string, Draft>();
  const jobsByTable = new Map<string, string>();
  const tables = new Map<string, readonly Column[]>();
  for (const exchange of exchanges) {
    const { operation = "", status } = exchange;
    if (!TELLING.has(operation) || status !== 200) continue;
    const answer = await readAnswer(search, exchange);
    const table = tableKey(exchange);
    if (operation === "tables.get") {
      if (table !== undefined && answer.columns !== undefined) tables.set(table, answer.columns);
      continue;
    }
    const job = jobKey(exchange);
    const own = table === undefined ? job : (jobsByTable.get(table) ?? `table ${table}`);
    const selectedFields = parameter(exchange, "selectedFields");
    // Rows of other columns are another result.
    const key =
      operation !== "tabledata.list" ? job : selectedFields === "" ? own : `${own} ${selectedFields}`;
    if (answer.destination !== undefined && job !== undefined) jobsByTable.set(answer.destination, job);
    const result = results.get(key ?? exchange.id) ?? { exchange: exchange.id, read: [] };
    results.set(key ?? exchange.id, result);
    const known = results.get(own ?? "")?.columns ?? (table === undefined ? undefined : tables.get(table));
    result.columns ??= answer.columns ?? selectedOf(known, selectedFields);
    result.totalRows ??= answer.totalRows;
    if (ROWS.has(operation) && answer.isPage) result.read.push(pageOf(exchange, answer));
  }
  return [...results.values()].map((draft) => ({ ...draft, pages: chain(draft.read) }));
}

/** The result that an exchange stands for: all of a statement's, but of one of its pages that page alone. */
export function resultOf(
  results: readonly Gathered[],
  { id, operation = "" }: ArchivedExchange,
): Result | undefined {
  const of = results.find(
    ({ exchange, read }) => exchange === id || read.some((page) => page.exchange === id),
  );
  if (of === undefined || ASKED.has(operation)) return of;
  return { ...of, pages: of.read.filter((page) => page.exchange === id), totalRows: undefined };
}

interface Draft {
  readonly exchange: string;
  readonly read: Page[];
  columns?: readonly Column[] | undefined;
  totalRows?: number | undefined;
}

interface Answer {
  readonly body: Body;
  readonly columns?: readonly Column[] | undefined;
  readonly nextToken?: string | undefined;
  readonly totalRows?: number | undefined;
  /** The job's destination table. */
  readonly destination?: string | undefined;
  readonly rows: number;
  readonly isPage: boolean;
  readonly whole: boolean;
}

async function readAnswer(search: ArchiveSearch, exchange: ArchivedExchange): Promise<Answer> {
  const members: Record<string, unknown> = Object.create(null);
  let rows = 0;
  let whole = false;
  const body = await inspectBody(search, exchange, "response");
  for await (const parts of partsOf(search, body, true)) {
    for (const part of parts) {
      if (part.kind === "row") rows += 1;
      else if (part.kind === "end") whole = part.whole;
      else if (WANTED.has(part.name)) members[part.name] = part.value;
    }
  }
  const { pageToken } = members;
  const columns = schemaOf(members);
  const total = Number(members.totalRows ?? Number.NaN);
  const configuration = property(members.configuration, "query");
  return {
    body,
    columns,
    nextToken: typeof pageToken === "string" && pageToken !== "" ? pageToken : undefined,
    totalRows: Number.isSafeInteger(total) ? total : undefined,
    destination: referenceKey(property(configuration, "destinationTable")),
    rows,
    isPage: rows > 0 || columns !== undefined,
    whole,
  };
}

const WANTED = new Set(["schema", "pageToken", "totalRows", "configuration"]);

/** As {@link answerParts}, of a body; what of it is no JSON ends it. */
export async function* partsOf(
  search: ArchiveSearch,
  body: Body,
  countRows: boolean,
): AsyncGenerator<readonly AnswerPart[]> {
  try {
    yield* answerParts(bodyBytes(search, body), countRows);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    yield [{ kind: "end", whole: false }];
  }
}

/** A parameter of a request's query; empty when it has none. */
function parameter({ target = "" }: ArchivedExchange, name: string): string {
  const query = target.includes("?") ? target.slice(target.indexOf("?")) : "";
  return new URLSearchParams(query).get(name) ?? "";
}

/**
 * Of a table's columns those that `selectedFields` (tabledata.list) has, in the table's order: `a,e.d.f` names columns, and
 * fields of them.
 */
function selectedOf(
  columns: readonly Column[] | undefined,
  selectedFields: string,
): readonly Column[] | undefined {
  if (selectedFields === "") return columns;
  const names = selectedFields.split(",").map((path) => path.trim().toLowerCase().split("."));
  return columns && among(columns, names);
}

function among(columns: readonly Column[], paths: readonly (readonly string[])[]): readonly Column[] {
  return columns.flatMap((column) => {
    const its = paths.filter(([first]) => first === column.name.toLowerCase()).map(([, ...rest]) => rest);
    if (its.length === 0) return [];
    return its.some((rest) => rest.length === 0) ? column : { ...column, fields: among(column.fields, its) };
  });
}

function pageOf(exchange: ArchivedExchange, { body, nextToken, rows, whole }: Answer): Page {
  const token = parameter(exchange, "pageToken");
  return {
    exchange: exchange.id,
    body,
    ...(token !== "" && { token }),
    startIndex: Math.max(0, Number(parameter(exchange, "startIndex")) || 0),
    ...(nextToken !== undefined && { nextToken }),
    rows,
    whole,
  };
}

/**
 * Of pages in the order they were read, those that are the result, once each: agents ask again after a failure, read a
 * result more than once, with pages of another size, and ask for no rows first.
 */
function chain(pages: readonly Page[]): readonly Page[] {
  const sound = [...pages.filter(({ whole }) => whole), ...pages.filter(({ whole }) => !whole)];
  const byToken = new Map<string, Page>();
  const byIndex = new Map<number, Page>();
  for (const page of sound) {
    if (page.token !== undefined) byToken.set(page.token, byToken.get(page.token) ?? page);
    else if (page.rows > 0) byIndex.set(page.startIndex, byIndex.get(page.startIndex) ?? page);
  }
  const heads = sound.filter(({ token }) => token === undefined);
  let best: readonly Page[] = [];
  let most = -1;
  for (const head of heads.length > 0 ? heads : sound.slice(0, 1)) {
    const followed = follow(head, byToken, byIndex);
    const rows = followed.reduce((sum, page) => sum + page.rows, 0);
    if (rows > most) [best, most] = [followed, rows];
  }
  return best;
}

function follow(
  head: Page,
  byToken: ReadonlyMap<string, Page>,
  byIndex: ReadonlyMap<number, Page>,
): readonly Page[] {
  const followed = new Set<Page>();
  let behind = head.startIndex;
  for (let page: Page | undefined = head; page !== undefined && !followed.has(page); ) {
    followed.add(page);
    behind += page.rows;
    const next: Page | undefined = page.nextToken === undefined ? undefined : byToken.get(page.nextToken);
    page = next ?? byIndex.get(behind);
  }
  return [...followed];
}

function jobKey({ job, jobProject, project, queryId }: ArchivedExchange): string | undefined {
  if (job !== undefined) return `job ${jobProject ?? project}:${job}`;
  return queryId === undefined ? undefined : `query ${queryId}`;
}

function tableKey({ project, dataset, table }: ArchivedExchange): string | undefined {
  return table === undefined ? undefined : `${project}.${dataset}.${table}`;
}

function referenceKey(reference: unknown): string | undefined {
  const table = property(reference, "tableId");
  if (typeof table !== "string") return undefined;
  return `${property(reference, "projectId")}.${property(reference, "datasetId")}.${table}`;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
