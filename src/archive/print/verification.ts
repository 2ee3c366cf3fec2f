import type { Note, Place, Problem } from "../verify/problem.ts";
import type { Verdict } from "../verify/verifier.ts";
import { count, formatBytes } from "./quantities.ts";
import type { Style } from "./style.ts";
import { visible } from "./visible.ts";

type Shown = Verdict & { readonly session?: string };

/**
 * What verification came to, for people.
 *
 * @param sessions how many were checked, when it was the whole archive: those that are well are not among the verdicts.
 */
export function* verificationLines(
  verdicts: readonly Shown[],
  style: Style,
  sessions?: number,
): Generator<string> {
  for (const verdict of verdicts) yield* oneVerdict(verdict, style);
  if (sessions === undefined) return;
  const bad = verdicts.filter(({ intact }) => !intact).length;
  const well =
    bad === 0 ? style.paint("green", "all untouched") : style.paint("red", `${bad} not as recorded`);
  yield `${count(sessions, "session")} and the gateway's own records: ${well}`;
}

function* oneVerdict({ intact, session, counts, problems, problemCount, notes, keys }: Shown, style: Style) {
  const of =
    session === undefined
      ? "the recording"
      : session === "none"
        ? "the gateway's own records"
        : `session ${visible(session)}`;
  const word = intact ? style.paint("green", "untouched") : style.paint("red", "NOT as recorded");
  yield `${of}: ${word}`;
  const { events, chains, checkpoints, bodies, bodyBytes } = counts;
  const whole = `${bodies.toLocaleString("en-US")} whole ${bodies === 1 ? "body" : "bodies"} (${formatBytes(bodyBytes)})`;
  yield `  ${count(events, "event")} in ${count(chains, "chain")}, ${count(checkpoints, "signed checkpoint")}, ${whole}`;
  for (const kid of keys) yield `  signed by ${kid}`;
  for (const problem of problems)
    yield `  ${style.paint("red", problem.kind)} ${where(problem)}: ${visible(problem.message)}`;
  if (problemCount > problems.length) yield `  … and ${problemCount - problems.length} more`;
  for (const note of notes)
    yield `  ${style.paint("yellow", note.kind)} ${where(note)}: ${visible(note.message)}`;
}

function where({ line, chain, sequence, exchange }: Place & (Problem | Note)): string {
  return [
    line === undefined ? undefined : `line ${line}`,
    sequence === undefined || sequence < 0 ? undefined : `event ${sequence}`,
    chain === undefined ? undefined : `of chain ${visible(chain)}`,
    exchange === undefined ? undefined : `exchange ${visible(exchange)}`,
  ]
    .filter((part) => part !== undefined)
    .join(", ");
}
