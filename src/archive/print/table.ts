import { cut, displayWidth, visible } from "./visible.ts";

export interface TableColumn {
  readonly title: string;
  /** Numbers are read by their right end. */
  readonly right?: boolean;
}

export interface TableOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** Longer cells are cut. Default 48. */
  readonly maxCell?: number;
  /** How a line that heads the table is painted. Default: plainly. */
  readonly paintHead?: (line: string) => string;
}

const GAP = "  ";

/**
 * The lines of a table. Cells may hold anything: what a terminal would obey is made visible. Columns that do not fit are
 * left out, and a last line names them.
 */
export function formatTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  { width, maxCell = 48, paintHead = (line) => line }: TableOptions,
): string[] {
  const titles = columns.map(({ title }) => cut(visible(title), maxCell));
  const cells = rows.map((row) => columns.map((_, index) => cut(visible(row[index] ?? ""), maxCell)));
  const widths = titles.map((title, index) =>
    Math.max(displayWidth(title), ...cells.map((row) => displayWidth(row[index] ?? ""))),
  );
  const shown = fitting(widths, width);
  const line = (row: readonly string[]) =>
    widths
      .slice(0, shown)
      .map((columnWidth, index) => pad(row[index] ?? "", columnWidth, columns[index]?.right === true))
      .join(GAP)
      .trimEnd();
  const rule = widths.slice(0, shown).map((columnWidth) => "─".repeat(columnWidth));
  const hidden = titles.slice(shown);
  return [
    paintHead(line(titles)),
    paintHead(rule.join(GAP)),
    ...cells.map(line),
    ...(hidden.length === 0 ? [] : [cut(`… and ${hidden.length} more: ${hidden.join(", ")}`, width)]),
  ];
}

/** How many columns fit; the first always does. */
function fitting(widths: readonly number[], width: number): number {
  let used = 0;
  for (const [index, columnWidth] of widths.entries()) {
    used += columnWidth + (index === 0 ? 0 : GAP.length);
    if (used > width && index > 0) return index;
  }
  return widths.length;
}

function pad(cell: string, width: number, right: boolean): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(cell)));
  return right ? space + cell : cell + space;
}
