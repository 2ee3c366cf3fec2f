import { MAX_ANSWER_BYTES, parseAnswer } from "../bigquery/answer-body.ts";
import { type Column, parseRows, type ResultPage, schemaOf } from "../bigquery/rows.ts";
import type { Direction } from "../recording/events.ts";
import { headerOf } from "./answers.ts";
import { type ExchangeDetail, exchangeLines } from "./print/exchange.ts";
import { sessionLines } from "./print/session.ts";
import type { Style } from "./print/style.ts";
import type { ArchivedExchange } from "./records.ts";
import { type ArchiveSearch, type Found, NO_SESSION } from "./search.ts";
import { parseStatement } from "./statement.ts";

/** Jobs whose columns are remembered, for their later pages. */
const MAX_SCHEMAS = 100;

/** Operations whose requests carry SQL, and those whose answers carry rows. */
const STATEMENTS = new Set(["jobs.query", "jobs.insert"]);
const RESULTS = new Set(["jobs.query", "jobs.getQueryResults", "tabledata.list"]);

/**
 * Tells a session, or one exchange, as it happened, line by line. Bodies are read as far as they are shown, so memory
 * does not grow with them.
 *
 * @param maxRows rows of a result shown.
 */
export function* replayLines(
  search: ArchiveSearch,
  found: Found,
  style: Style,
  maxRows: number,
): Generator<string> {
  const session =
    found.kind === "session" ? found.session : search.session(found.exchange.session ?? NO_SESSION);
  if (session !== undefined) yield* sessionLines(session, style);
  const details = new Details(search, maxRows);
  if (found.kind === "exchange") {
    yield* exchangeLines(1, details.of(found.exchange), style);
    return;
  }
  let number = 0;
  for (const exchange of search.exchanges(found.session.id)) {
    number += 1;
    yield* exchangeLines(number, details.of(exchange), style);
  }
}

/** Reads what exchanges' bodies tell; later pages of a result take their columns from the first. */
class Details {
  readonly #search: ArchiveSearch;
  readonly #maxRows: number;
  readonly #schemas = new Map<string, readonly Column[]>();

  constructor(search: ArchiveSearch, maxRows: number) {
    this.#search = search;
    this.#maxRows = maxRows;
  }

  of(exchange: ArchivedExchange): ExchangeDetail {
    const operation = exchange.operation ?? "";
    const statement = STATEMENTS.has(operation) ? this.#statement(exchange) : { parameters: [] };
    const sql = statement.sql ?? exchange.sql;
    const page = RESULTS.has(operation) ? this.#page(exchange) : undefined;
    return {
      exchange,
      parameters: statement.parameters,
      ...(sql !== undefined && { sql }),
      ...(page !== undefined && { page }),
    };
  }

  #statement(exchange: ArchivedExchange) {
    const { bytes, whole } = this.#beginning(exchange, "request");
    return parseStatement(headerOf(exchange.requestHeaders, "content-encoding"), bytes, whole);
  }

  #page(exchange: ArchivedExchange): ResultPage | undefined {
    if (exchange.status !== 200 || exchange.response?.bytes === 0) return undefined;
    const { bytes, whole } = this.#beginning(exchange, "response");
    const answer = parseAnswer(headerOf(exchange.responseHeaders, "content-encoding"), bytes, whole);
    if (answer === undefined) return undefined;
    const key =
      exchange.job === undefined
        ? undefined
        : [exchange.jobProject, exchange.location, exchange.job].join(":");
    const own = schemaOf(answer.value);
    if (key !== undefined && own !== undefined) this.#remember(key, own);
    const page = parseRows(
      answer.value,
      own ?? (key === undefined ? undefined : this.#schemas.get(key)),
      this.#maxRows,
    );
    // The last row of what was cut may lack cells.
    if (page === undefined || !answer.truncated || page.rows.length >= this.#maxRows) return page;
    return { ...page, rows: page.rows.slice(0, -1) };
  }

  #remember(key: string, schema: readonly Column[]): void {
    this.#schemas.set(key, schema);
    const [oldest] = this.#schemas.keys();
    if (this.#schemas.size > MAX_SCHEMAS && oldest !== undefined) this.#schemas.delete(oldest);
  }

  #beginning(exchange: ArchivedExchange, direction: Direction): { bytes: Uint8Array; whole: boolean } {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (const chunk of this.#search.body(exchange.id, direction)) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) break;
    }
    return { bytes: Buffer.concat(chunks), whole: length === exchange[direction]?.bytes };
  }
}
