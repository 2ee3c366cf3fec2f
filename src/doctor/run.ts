import { visible, visibleLines } from "../archive/print/visible.ts";
import { type Check, type Finding, fail, messageOf, type Status, UNFINISHED } from "./check.ts";
import type { Site } from "./site.ts";

/** A finding as it is printed. */
export interface Report {
  /** `check.part`. */
  readonly name: string;
  readonly status: Status;
  readonly summary: string;
  readonly detail?: string;
  /** How to mend it; absent where nothing is to be mended. */
  readonly fix?: string;
  /** That it took after the finding before it, of the same check. */
  readonly milliseconds: number;
}

/** Told as checks go on. */
export interface Watch {
  /** The checks that are still running. */
  onRunning(names: readonly string[]): void;
  /** What a check has found, when it and all in front of it have ended. */
  onEnd(name: string, reports: readonly Report[]): void;
}

export interface Examined {
  readonly reports: readonly Report[];
  /** Checks that did not end when their time was over, and may still hold something. */
  readonly stuck: readonly string[];
}

/** Runs checks side by side, each within its limit; tells of them in their order. */
export async function runChecks(site: Site, checks: readonly Check[], watch?: Watch): Promise<Examined> {
  const running = new Set(checks.map(({ name }) => name));
  const stuck: string[] = [];
  watch?.onRunning([...running]);
  const all = checks.map(async (check) => {
    const { reports, ended } = await runCheck(site, check);
    if (!ended) stuck.push(check.name);
    running.delete(check.name);
    watch?.onRunning([...running]);
    return reports;
  });
  const reports: Report[] = [];
  for (const [index, ofCheck] of all.entries()) {
    const found = await ofCheck;
    watch?.onEnd(checks[index]?.name ?? "", found);
    reports.push(...found);
  }
  return { reports, stuck };
}

async function runCheck(site: Site, check: Check): Promise<{ reports: Report[]; ended: boolean }> {
  const reports: Report[] = [];
  let before = performance.now();
  const note = (finding: Finding): void => {
    const now = performance.now();
    reports.push(reportOf(check.name, finding, now - before));
    before = now;
  };
  const cut = new AbortController();
  const findings = findingsOf(site, check, cut.signal)?.[Symbol.asyncIterator]();
  if (findings === undefined) return { reports, ended: true };
  const late = Symbol();
  const { promise: over, resolve } = Promise.withResolvers<typeof late>();
  const timer = setTimeout(() => resolve(late), check.limit);
  try {
    for (;;) {
      const next = findings.next();
      // Of a check that is left behind nobody hears any more.
      next.catch(() => undefined);
      const found = await Promise.race([next, over]);
      if (found === late) {
        const seconds = check.limit / 1_000;
        note(fail(UNFINISHED, `not finished within ${seconds} s: something hangs`, HANGS));
        return { reports, ended: false };
      }
      if (found.done === true) return { reports, ended: true };
      note(found.value);
    }
  } catch (error) {
    note(fail(UNFINISHED, messageOf(error), "mend what this says, and look again"));
    return { reports, ended: true };
  } finally {
    clearTimeout(timer);
    cut.abort();
  }
}

const HANGS =
  "see what it found before that; whatever it asked next does not answer: a firewall that drops, a disk that hangs";

function findingsOf(site: Site, check: Check, signal: AbortSignal): AsyncIterable<Finding> | undefined {
  if (check.needs === "nothing") return check.run(site, signal);
  return site.configured === undefined ? undefined : check.run(site.configured, signal);
}

/** Much of it was said by others: nothing of it may command a terminal. */
function reportOf(check: string, finding: Finding, milliseconds: number): Report {
  const { part, status, summary, detail } = finding;
  return {
    name: `${check}.${part}`,
    status,
    summary: visible(summary),
    ...(detail !== undefined && { detail: visibleLines(detail) }),
    ...(finding.status !== "ok" && { fix: visible(finding.fix) }),
    milliseconds: Math.round(milliseconds * 10) / 10,
  };
}
