import { type Column, parseRows } from "../../bigquery/rows.ts";
import { ArchiveError } from "../errors.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import { NO_SESSION } from "../records/session.ts";
import { noteBody } from "./bodies.ts";
import { cellText } from "./csv-cells.ts";
import { gatherResults, type Page, partsOf, type Result, resultOf } from "./csv-results.ts";
import type { ExportContext, ExportedFile, ExportOptions, Format } from "./format.ts";
import type { Notes } from "./notes.ts";

/**
 * The rows of results (RFC 4180): UTF-8, CRLF, a header with the columns' names. Values as {@link cellText} has them. NULL is
 * nothing at all and the empty string is `""`, as PostgreSQL writes them; DuckDB tells them apart with
 * `allow_quoted_nulls = false`.
 */
export const csv: Format = {
  describe: "the rows of results; of a session, a file for each statement into --output DIR",
  bulk: false,
  export(selection, context) {
    if (selection.kind === "exchange")
      return { kind: "stream", binary: false, parts: ofExchange(selection.exchange, context) };
    if (selection.kind === "session")
      return { kind: "files", files: ofSession(selection.session.id, context) };
    throw new ArchiveError("failed", "csv takes one session or exchange");
  },
};

async function* ofExchange(exchange: ArchivedExchange, context: ExportContext): AsyncGenerator<string> {
  const { search } = context;
  const results = await gatherResults(search, search.exchanges(exchange.session ?? NO_SESSION));
  const result = resultOf(results, exchange);
  if (result === undefined || !hasRows(result)) {
    throw new ArchiveError(
      "failed",
      `${exchange.id} is ${exchange.operation ?? "an exchange"} without a result of rows: name a statement, or a page of its result`,
    );
  }
  yield* resultLines(result, context);
}

async function* ofSession(session: string, context: ExportContext): AsyncGenerator<ExportedFile> {
  const { search, notes } = context;
  let number = 0;
  for (const result of await gatherResults(search, noteReads(search.exchanges(session), notes))) {
    if (!hasRows(result)) continue;
    number += 1;
    const name = `${String(number).padStart(4, "0")}-${result.exchange}.csv`;
    yield { name, parts: resultLines(result, context) };
  }
  if (number === 0) notes.add("session", "without a result of rows");
}

/** The Storage API gives rows as Arrow or Avro, which the other formats have as they passed. */
function* noteReads(exchanges: Iterable<ArchivedExchange>, notes: Notes): Generator<ArchivedExchange> {
  for (const exchange of exchanges) {
    if (exchange.operation === "storage.ReadRows")
      notes.add("Storage API read", "left out: its rows are Arrow or Avro, as --format warc has them");
    yield exchange;
  }
}

function hasRows({ pages }: Result): boolean {
  return pages.length > 0;
}

async function* resultLines(result: Result, context: ExportContext): AsyncGenerator<string> {
  const { options, notes } = context;
  const { columns, totalRows } = result;
  const writer = new CsvWriter(options);
  if (columns !== undefined) yield writer.line(columns.map(({ name }) => [name, TITLE]));
  else notes.add("result", "without known columns: they are called f0_, f1_ …");
  let rows = 0;
  for (const page of result.pages) {
    for await (const some of rowsOf(page, context)) {
      const parsed = parseRows({ rows: some }, columns);
      if (parsed === undefined || parsed.rows.length === 0) continue;
      if (columns === undefined && rows === 0)
        yield writer.line(parsed.columns.map(({ name }) => [name, TITLE]));
      rows += parsed.rows.length;
      yield parsed.rows
        .map((cells) =>
          writer.line(cells.map((cell, at) => [cellText(cell, parsed.columns[at]), parsed.columns[at]])),
        )
        .join("");
    }
  }
  if (totalRows !== undefined && rows !== totalRows)
    notes.add("result", `not whole here: the agent got ${rows} of ${totalRows} rows`);
  if (writer.formulas > 0 && !options.spreadsheetSafe) {
    const told =
      "beginning as a formula does, which a spreadsheet would run: --spreadsheet-safe prevents that";
    notes.add("text cell", told, writer.formulas);
  }
}

/** A page's rows, as many at a time as come with one piece of its bytes. */
async function* rowsOf({ body }: Page, { search, notes }: ExportContext): AsyncGenerator<unknown[]> {
  noteBody(notes, body);
  for await (const parts of partsOf(search, body, false)) {
    yield parts.filter((part) => part.kind === "row").map(({ value }) => value);
    if (parts.some((part) => part.kind === "end" && !part.whole))
      notes.add("page", "cut: its last rows are missing");
  }
  notes.exchanges += 1;
}

const TITLE: Column = { name: "", type: "STRING", repeated: false, fields: [] };

/** Types whose text a spreadsheet takes for a number or a time. */
const PLAIN =
  /^(?:INTEGER|INT64|FLOAT|FLOAT64|NUMERIC|BIGNUMERIC|BOOL|BOOLEAN|DATE|TIME|DATETIME|TIMESTAMP|BYTES)$/;
/** OWASP, "CSV Injection". */
const FORMULA = /^[=+\-@\t\r\n]/;

class CsvWriter {
  readonly #nullText: string;
  readonly #safe: boolean;
  /** Cells that a spreadsheet would run. */
  formulas = 0;

  constructor({ nullText, spreadsheetSafe }: ExportOptions) {
    this.#nullText = nullText;
    this.#safe = spreadsheetSafe;
  }

  line(cells: readonly (readonly [text: string | undefined, column: Column | undefined])[]): string {
    return `${cells.map(([text, column]) => this.#cell(text, column)).join(",")}\r\n`;
  }

  #cell(text: string | undefined, column: Column | undefined): string {
    if (text === undefined) return this.#nullText;
    const formula = FORMULA.test(text) && (column?.repeated === true || !PLAIN.test(column?.type ?? ""));
    if (formula) this.formulas += 1;
    const told = formula && this.#safe ? `'${text}` : text;
    const quoted = told === "" || told === this.#nullText || /[",\r\n]/.test(told);
    return quoted ? `"${told.replaceAll('"', '""')}"` : told;
  }
}
