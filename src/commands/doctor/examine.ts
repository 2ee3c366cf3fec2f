import { asText, writeAll } from "../../archive/output.ts";
import { type Style, styleFor } from "../../archive/print/style.ts";
import { UNFINISHED } from "../../doctor/check.ts";
import { CHECKS, chosenChecks } from "../../doctor/checks.ts";
import type { CheckName } from "../../doctor/names.ts";
import { checkLines, tallyLine } from "../../doctor/print.ts";
import { runChecks, type Watch } from "../../doctor/run.ts";
import { type Given, Site } from "../../doctor/site.ts";

export interface ExamineOptions {
  readonly given: Given;
  /** Empty: all. */
  readonly only: readonly CheckName[];
  readonly json: boolean;
}

/**
 * Looks, and prints what it finds.
 *
 * @returns whether nothing fails, and whether every check has ended.
 */
export async function examine({
  given,
  only,
  json,
}: ExamineOptions): Promise<{ ok: boolean; ended: boolean }> {
  await using site = await Site.open(given);
  const checks = chosenChecks(only, site.configured !== undefined);
  const style = styleFor(process.stdout);
  const { reports, stuck } = await runChecks(site, checks, json ? undefined : printing(style));
  const ok = reports.every(({ status }) => status !== "fail");
  const last = json ? JSON.stringify({ ok, checks: reports }, null, 2) : tallyLine(reports, style);
  await writeAll(process.stdout, asText([last]));
  return { ok, ended: stuck.length === 0 };
}

/** Prints what checks find as they end, and on a terminal which are still running. */
function printing(style: Style): Watch {
  const width = Math.max(
    UNFINISHED.length,
    ...CHECKS.flatMap(({ parts }) => parts.map((part) => part.length)),
  );
  let running: readonly string[] = [];
  const progress = (): void => {
    if (process.stderr.isTTY !== true) return;
    const line = running.length === 0 ? "" : `looking at ${running.join(", ")} …`;
    process.stderr.write(`\r\u001b[K${line.slice(0, style.width - 1)}`);
  };
  return {
    onRunning(names) {
      running = names;
      progress();
    },
    onEnd(name, reports) {
      if (process.stderr.isTTY === true) process.stderr.write("\r\u001b[K");
      for (const line of checkLines(name, reports, width, style)) process.stdout.write(`${line}\n`);
      progress();
    },
  };
}
