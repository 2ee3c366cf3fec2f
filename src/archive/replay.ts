import { Details } from "./details.ts";
import { exchangeLines } from "./print/exchange.ts";
import { sessionLines } from "./print/session.ts";
import { answeredLines, askedLines } from "./print/statement.ts";
import type { Style } from "./print/style.ts";
import type { ArchivedExchange } from "./records/exchange.ts";
import { NO_SESSION } from "./records/session.ts";
import type { ArchiveSearch, Found } from "./search.ts";
import { factsOf } from "./statement-facts.ts";
import { groupStatements, type StatementPart, type Told } from "./statement-groups.ts";

export interface ReplayOptions {
  readonly style: Style;
  /** Rows of each result shown at most. */
  readonly rows: number;
  /** Tell exchange by exchange instead of statement by statement. Default false. */
  readonly exchanges?: boolean;
}

/** Lines, and when what they tell happened. */
export interface Moment {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly lines: readonly string[];
  /** Whether something begins here that can be told by itself: the session, a statement, or an exchange. */
  readonly begins: boolean;
}

/**
 * Tells a session as it happened, or one exchange. Bodies are read as far as they are shown, and exchanges as far as they
 * may belong to the statement that is told, so memory does not grow with either.
 */
export function* replaySession(
  search: ArchiveSearch,
  found: Found,
  { style, rows, exchanges = false }: ReplayOptions,
): Generator<Moment> {
  const session =
    found.kind === "session" ? found.session : search.session(found.exchange.session ?? NO_SESSION);
  const details = new Details(search, rows);
  if (session !== undefined) yield { at: session.started, lines: sessionLines(session, style), begins: true };
  if (found.kind === "exchange") {
    yield exchangeMoment("1", found.exchange, details, style);
    return;
  }
  const { id, started } = found.session;
  if (exchanges) {
    let number = 0;
    for (const exchange of search.exchanges(id)) {
      number += 1;
      yield exchangeMoment(`${number}`, exchange, details, style);
    }
    return;
  }
  const sizeOf = (statement: string) => search.sizeOf(statement);
  for (const told of groupStatements(search.exchanges(id), { sizeOf }))
    yield* toldMoments(told, details, style, started);
}

function* toldMoments(told: Told, details: Details, style: Style, start: number): Generator<Moment> {
  if (told.kind === "exchange") yield exchangeMoment("·", told.exchange, details, style, start);
  else yield* statementMoments(told, details, style, start);
}

/** Asking and answer are told apart, so that there can be time between them. */
function* statementMoments(
  part: StatementPart,
  details: Details,
  style: Style,
  start: number,
): Generator<Moment> {
  const [first] = part.exchanges;
  if (first === undefined) return;
  const facts = factsOf(part);
  const result = details.result(part.exchanges);
  const detail = {
    part,
    facts,
    ...(part.continued ? { parameters: [] } : details.statement(first)),
    ...(result !== undefined && { result }),
  };
  yield { at: first.time, lines: askedLines(detail, style, start), begins: true };
  yield { at: facts.ended ?? first.time, lines: answeredLines(detail, style), begins: false };
}

function exchangeMoment(
  mark: string,
  exchange: ArchivedExchange,
  details: Details,
  style: Style,
  start?: number,
): Moment {
  const page = details.page(exchange);
  const detail = { exchange, ...details.statement(exchange), ...(page !== undefined && { page }) };
  return { at: exchange.time, lines: exchangeLines(mark, detail, style, start), begins: true };
}
