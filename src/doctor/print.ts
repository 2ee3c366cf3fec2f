import { count } from "../archive/print/quantities.ts";
import type { Color, Style } from "../archive/print/style.ts";
import { displayWidth } from "../archive/print/visible.ts";
import type { Status } from "./check.ts";
import type { Report } from "./run.ts";

const COLORS: Readonly<Record<Status, Color>> = { ok: "green", warn: "yellow", fail: "red" };

/** Columns of the longest status, and of the longest part, so that all checks are aligned. */
const STATUS = 4;
const MARGIN = 2;

/** What a check has found, for people. @param partWidth columns of the longest part. */
export function* checkLines(
  name: string,
  reports: readonly Report[],
  partWidth: number,
  style: Style,
): Generator<string> {
  if (reports.length === 0) return;
  yield style.paint("bold", name);
  const indent = MARGIN + STATUS + 2 + partWidth + 2;
  for (const { name: full, status, summary, detail, fix } of reports) {
    const part = full.slice(name.length + 1).padEnd(partWidth);
    const head = `${" ".repeat(MARGIN)}${style.paint(COLORS[status], status.padEnd(STATUS))}  ${part}  `;
    const [first = "", ...rest] = wrap(summary, style.width - indent);
    yield head + first;
    for (const line of rest) yield " ".repeat(indent) + line;
    for (const line of fix === undefined ? [] : wrap(`mend: ${fix}`, style.width - indent))
      yield " ".repeat(indent) + style.paint("cyan", line);
    // What is as it should be need not be looked at closer.
    for (const line of status === "ok" ? [] : (detail?.split("\n") ?? []))
      yield " ".repeat(indent) + style.paint("dim", line);
  }
  yield "";
}

/** How it is, all in all. */
export function tallyLine(reports: readonly Report[], style: Style): string {
  const of = (status: Status): number => reports.filter((report) => report.status === status).length;
  const [failures, warnings] = [of("fail"), of("warn")];
  const parts = [
    style.paint("green", `${of("ok")} ok`),
    ...(warnings > 0 ? [style.paint("yellow", count(warnings, "warning"))] : []),
    ...(failures > 0 ? [style.paint("red", count(failures, "failure"))] : []),
  ];
  return `${parts.join(", ")}.`;
}

/** Breaks a line between words; a word that is longer than the width stays whole, to be copied. */
function wrap(text: string, width: number): string[] {
  const room = Math.max(24, width);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && displayWidth(longer) > room) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
