import { type Judged, type Outlook, outlookOf, type Tally } from "../dry-run.ts";
import { indented } from "./parts.ts";
import { count, formatBytes } from "./quantities.ts";
import { askedLines } from "./statement.ts";
import type { Color, Style } from "./style.ts";
import { visible } from "./visible.ts";

const COLORS: Readonly<Record<Outlook, Color>> = {
  runs: "green",
  broken: "red",
  fails: "yellow",
  denied: "dim",
  unknown: "red",
};

/** A statement as it was asked, and what BigQuery says of it now. */
export function verdictLines(judged: Judged, style: Style, start: number): string[] {
  const line = style.paint(COLORS[outlookOf(judged)], visible(sentence(judged)));
  return [...askedLines(judged.statement, style, start), ...indented([line]), ""];
}

function sentence(judged: Judged): string {
  const { verdict, statement } = judged;
  switch (verdict.would) {
    case "run": {
      const { statementType, bytesProcessed, state } = statement.facts;
      const now = verdict.bytes === undefined ? "" : `, ${formatBytes(verdict.bytes)} to process`;
      const then = bytesProcessed === undefined ? "" : ` (then ${formatBytes(bytesProcessed)})`;
      const failed = state === "failed" ? ", though it failed then" : "";
      return `would run: ${verdict.statementType ?? statementType ?? "of no known type"}${now}${then}${failed}`;
    }
    case "fail": {
      const then = outlookOf(judged) === "fails" ? "would fail, as then" : "would fail now";
      return `${then}: ${verdict.reason}: ${verdict.message}`;
    }
    case "unknown":
      return `BigQuery did not say: ${verdict.because}`;
    case "unasked":
      return `not asked: ${verdict.because}`;
  }
}

/** What all verdicts come to. */
export function tallyLine({ counts }: Tally, style: Style): string {
  const { runs, broken, fails, denied, unknown } = counts;
  const parts = [
    `${runs} would run`,
    ...(broken > 0 ? [style.paint("red", `${broken} would fail now`)] : []),
    ...(fails > 0 ? [`${fails} would fail, as then`] : []),
    ...(denied > 0 ? [`${denied} denied then`] : []),
    ...(unknown > 0 ? [style.paint("red", `${unknown} not known`)] : []),
  ];
  return `${count(runs + broken + fails + denied + unknown, "statement")}: ${parts.join(", ")}`;
}
