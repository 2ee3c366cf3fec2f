/** A column of a result, as BigQuery's schemas describe it. */
export interface Column {
  readonly name: string;
  /** `STRING`, `INTEGER`, `RECORD` …; empty when no schema said. */
  readonly type: string;
  readonly repeated: boolean;
  /** Of a RECORD. */
  readonly fields: readonly Column[];
}

/** A value: scalars stand as BigQuery wrote them, REPEATED as lists, RECORD by field name. */
export type Cell = null | string | readonly Cell[] | { readonly [field: string]: Cell };

/** One page of rows. */
export interface ResultPage {
  /** False when neither answer nor caller had a schema: columns are then `f0_`, `f1_` … */
  readonly named: boolean;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** Rows of the whole result, when the answer says. */
  readonly totalRows?: number;
}

/** The schema an answer carries, if any. */
export function schemaOf(answer: unknown): readonly Column[] | undefined {
  const fields = property(property(answer, "schema"), "fields");
  return Array.isArray(fields) ? fields.map(toColumn) : undefined;
}

/**
 * The rows of a `jobs.query`, `getQueryResults` or `tabledata.list` answer as plain cells.
 *
 * @param schema columns known from an earlier answer to the same job; the answer's own come first.
 * @param maxRows rows made at most. Default: all.
 * @returns undefined when the answer is not one with rows.
 */
export function parseRows(
  answer: unknown,
  schema?: readonly Column[],
  maxRows = Number.POSITIVE_INFINITY,
): ResultPage | undefined {
  const rows = property(answer, "rows") ?? [];
  const known = schemaOf(answer) ?? schema;
  const total = Number(property(answer, "totalRows") ?? Number.NaN);
  if (!Array.isArray(rows) || (rows.length === 0 && known === undefined)) return undefined;
  const shown = rows.slice(0, maxRows);
  const columns = known ?? unnamedColumns(Math.max(0, ...shown.map((row) => valuesOf(row).length)));
  return {
    named: known !== undefined,
    columns,
    rows: shown.map((row) => {
      const values = valuesOf(row);
      return columns.map((column, index) => toCell(values[index], column));
    }),
    ...(Number.isSafeInteger(total) && { totalRows: total }),
  };
}

function toColumn(field: unknown): Column {
  const fields = property(field, "fields");
  return {
    name: String(property(field, "name") ?? ""),
    type: String(property(field, "type") ?? ""),
    repeated: property(field, "mode") === "REPEATED",
    fields: Array.isArray(fields) ? fields.map(toColumn) : [],
  };
}

function unnamedColumns(count: number): Column[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `f${index}_`,
    type: "",
    repeated: false,
    fields: [],
  }));
}

/** The `v` of each of a row's `f`. */
function valuesOf(row: unknown): readonly unknown[] {
  const fields = property(row, "f");
  return Array.isArray(fields) ? fields.map((field) => property(field, "v")) : [];
}

function toCell(value: unknown, column: Column | undefined): Cell {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((element) => toCell(property(element, "v"), column));
  if (typeof value !== "object") return String(value);
  const values = valuesOf(value);
  return Object.fromEntries(
    values.map((each, index) => {
      const field = column?.fields[index];
      return [field?.name ?? `f${index}_`, toCell(each, field)];
    }),
  );
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
