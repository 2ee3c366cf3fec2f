import type { DuckDBConnection } from "@duckdb/node-api";
import type { Catalog } from "./catalog.ts";
import { invalid, notFound, notImplemented } from "./errors.ts";
import type { TableName } from "./googlesql/tables.ts";
import { quoteIdentifier } from "./googlesql/tokens.ts";
import { type TimestampFormat, toWireRow, type WireRow } from "./values.ts";

/** A page ends when its rows come to this many characters of JSON; BigQuery's limit is 10 MB as well ("Reading with a paging API"). */
const MAX_PAGE_LENGTH = 10_000_000;

/** And in any case after this many rows. */
const MAX_PAGE_ROWS = 50_000;

export interface PageRequest {
  table: TableName;
  /** Rows to pass over, from 0. */
  startIndex: number;
  maxResults: number | undefined;
  /** The columns to read; all when absent. */
  selectedFields?: string | undefined;
  timestamps: TimestampFormat;
}

export interface Page {
  rows: WireRow[];
  totalRows: number;
  /** Present when there are more rows. */
  pageToken: string | undefined;
}

/** Reads rows in the order in which they were stored. The process holds one page, whatever the size of the table. */
export async function readPage(
  connection: DuckDBConnection,
  catalog: Catalog,
  request: PageRequest,
): Promise<Page> {
  const { table, startIndex, timestamps } = request;
  if (catalog.table(table) === undefined) throw notFound(`Table ${catalog.label(table)}`);
  const all = await catalog.columns(connection, table);
  const columns = select(all, request.selectedFields);
  const name = `${quoteIdentifier(table.dataset)}.${quoteIdentifier(table.table)}`;
  const counted = await connection.runAndReadAll(`SELECT count(*) FROM ${name}`);
  const totalRows = Number(counted.getRows()[0]?.[0] ?? 0);
  const limit = Math.min(request.maxResults ?? MAX_PAGE_ROWS, MAX_PAGE_ROWS);
  const rows: WireRow[] = [];
  if (limit > 0 && startIndex < totalRows) {
    const types = columns.map((column) => column.type);
    const list = columns.map((column) => quoteIdentifier(column.name)).join(", ");
    const result = await connection.stream(`SELECT ${list} FROM ${name} LIMIT ${limit} OFFSET ${startIndex}`);
    let length = 0;
    reading: for await (const chunk of result) {
      for (const values of chunk.getRows()) {
        const row = toWireRow(values, types, timestamps);
        length += JSON.stringify(row).length;
        if (length > MAX_PAGE_LENGTH && rows.length > 0) break reading;
        rows.push(row);
      }
    }
  }
  const next = startIndex + rows.length;
  // Whoever asks for no rows gets no token: going on from it would never end.
  const hasNext = rows.length > 0 && next < totalRows;
  return { rows, totalRows, pageToken: hasNext ? toPageToken(next) : undefined };
}

function select<T extends { name: string }>(
  columns: readonly T[],
  selectedFields: string | undefined,
): readonly T[] {
  if (selectedFields === undefined || selectedFields === "") return columns;
  const wanted = new Set(selectedFields.split(","));
  for (const field of wanted) {
    if (field.includes(".")) throw notImplemented("selectedFields inside of a RECORD");
    if (!columns.some((column) => column.name === field))
      throw invalid(`No such field: ${field}`, "selectedFields");
  }
  return columns.filter((column) => wanted.has(column.name));
}

/** A place in a list, in a form that clients have no reason to look into. */
export function toPageToken(index: number): string {
  return Buffer.from(`at:${index}`).toString("base64url");
}

/** @throws {ApiError} 400 */
export function fromPageToken(token: string): number {
  const index = /^at:(\d+)$/.exec(Buffer.from(token, "base64url").toString())?.[1];
  if (index === undefined) throw invalid(`Invalid value for pageToken: ${token}`, "pageToken");
  return Number(index);
}
