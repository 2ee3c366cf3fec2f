import { MAX_ANSWER_BYTES, parseAnswer } from "../bigquery/answer-body.ts";
import { type Column, parseRows, type ResultPage, schemaOf } from "../bigquery/rows.ts";
import type { Direction } from "../recording/events.ts";
import { headerOf } from "./answers.ts";
import type { ArchivedExchange } from "./records/exchange.ts";
import type { ArchiveSearch } from "./search.ts";
import { parseStatement, type Statement } from "./statement.ts";

/** Jobs and statements whose columns are remembered, for their later pages. */
const MAX_SCHEMAS = 1_000;

/** Bytes of an answer that are read first: mostly the rows that are shown are in them, and the rest need not be read. */
const FIRST_BYTES = 256 * 1024;

/** Operations whose requests carry SQL, and those whose answers carry rows. */
const STATEMENTS: ReadonlySet<string> = new Set(["jobs.query", "jobs.insert"]);
const RESULTS: ReadonlySet<string> = new Set(["jobs.query", "jobs.getQueryResults", "tabledata.list"]);

/** Reads what exchanges' bodies tell; later pages of a result take their columns from the first. */
export class Details {
  readonly #search: ArchiveSearch;
  readonly #maxRows: number;
  readonly #schemas = new Map<string, readonly Column[]>();

  /** @param maxRows rows of a result made at most. */
  constructor(search: ArchiveSearch, maxRows: number) {
    this.#search = search;
    this.#maxRows = maxRows;
  }

  /** The SQL, whole where the request body has it, and its parameters. */
  statement(exchange: ArchivedExchange): Statement {
    const statement = STATEMENTS.has(exchange.operation ?? "")
      ? this.#parsed(exchange)
      : { parameters: [] as const };
    const sql = statement.sql ?? exchange.sql;
    return { parameters: statement.parameters, ...(sql !== undefined && { sql }) };
  }

  /** A request's JSON; undefined when not all of it is there. */
  request(exchange: ArchivedExchange): unknown {
    const { bytes, whole } = this.#beginning(exchange, "request", MAX_ANSWER_BYTES);
    const request = parseAnswer(headerOf(exchange.requestHeaders, "content-encoding"), bytes, whole);
    return request?.truncated === false ? request.value : undefined;
  }

  /** The first rows of one answer. */
  page(exchange: ArchivedExchange, maxRows = this.#maxRows): ResultPage | undefined {
    if (!RESULTS.has(exchange.operation ?? "")) return undefined;
    if (exchange.status !== 200 || exchange.response?.bytes === 0) return undefined;
    const { page, complete } = this.#pageOf(exchange, maxRows, FIRST_BYTES);
    return complete ? page : this.#pageOf(exchange, maxRows, MAX_ANSWER_BYTES).page;
  }

  /** The first rows of a result from all of its answers; a page that was read again is taken once. */
  result(exchanges: readonly ArchivedExchange[]): ResultPage | undefined {
    const read = new Set<string>();
    let result: ResultPage | undefined;
    for (const exchange of exchanges) {
      const missing = this.#maxRows - (result?.rows.length ?? 0);
      if (result !== undefined && (missing <= 0 || exchange.rows === 0 || read.has(pageKey(exchange))))
        continue;
      const page = this.page(exchange, missing);
      if (page === undefined) continue;
      if (page.rows.length > 0) read.add(pageKey(exchange));
      result =
        result === undefined || (result.rows.length === 0 && !result.named)
          ? page
          : { ...result, rows: [...result.rows, ...page.rows] };
    }
    return result;
  }

  #parsed(exchange: ArchivedExchange): Statement {
    const { bytes, whole } = this.#beginning(exchange, "request", MAX_ANSWER_BYTES);
    return parseStatement(headerOf(exchange.requestHeaders, "content-encoding"), bytes, whole);
  }

  /** `complete`: to read more of the answer would not tell more. */
  #pageOf(exchange: ArchivedExchange, maxRows: number, limit: number) {
    const { bytes, whole } = this.#beginning(exchange, "response", limit);
    const answer = parseAnswer(headerOf(exchange.responseHeaders, "content-encoding"), bytes, whole);
    if (answer === undefined) return { page: undefined, complete: whole };
    const keys = schemaKeys(exchange);
    const own = schemaOf(answer.value);
    if (own !== undefined) for (const key of keys) this.#remember(key, own);
    const known = own ?? keys.map((key) => this.#schemas.get(key)).find((schema) => schema !== undefined);
    const page = parseRows(answer.value, known, maxRows);
    if (page === undefined || !answer.truncated) return { page, complete: !answer.truncated };
    if (page.rows.length >= maxRows) return { page, complete: page.named };
    // The last row of what was cut may lack cells.
    return { page: { ...page, rows: page.rows.slice(0, -1) }, complete: false };
  }

  #remember(key: string, schema: readonly Column[]): void {
    this.#schemas.set(key, schema);
    const [oldest] = this.#schemas.keys();
    if (this.#schemas.size > MAX_SCHEMAS && oldest !== undefined) this.#schemas.delete(oldest);
  }

  #beginning(exchange: ArchivedExchange, direction: Direction, limit: number) {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (const chunk of this.#search.body(exchange.id, direction)) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) break;
    }
    return { bytes: Buffer.concat(chunks), whole: length === exchange[direction]?.bytes };
  }
}

/** A result is its statement's, and its job's: an anonymous table is read without naming the job. */
function schemaKeys({ statement, job, jobProject, location }: ArchivedExchange): string[] {
  const ofJob = job === undefined ? undefined : [jobProject, location, job].join(":");
  return [statement, ofJob].filter((key) => key !== undefined);
}

/** Which page of its result a request asked for. Without either parameter, the first. */
function pageKey({ target = "" }: ArchivedExchange): string {
  const at = target.indexOf("?");
  const parameters = new URLSearchParams(at < 0 ? "" : target.slice(at));
  return `${parameters.get("pageToken") ?? ""} ${Number(parameters.get("startIndex") ?? 0)}`;
}
