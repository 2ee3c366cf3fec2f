import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/*
 * What the pages for users have in fences, and what the comments right in front of a fence say of it:
 *
 *   <!-- prints: TEXT -->         a command block prints this; more than one must all be printed
 *   <!-- writes: FILE -->         it leaves this file, with something in it; likewise
 *   <!-- into: FILE -->           the block is this file
 *   <!-- terminal: NAME -->       it runs in a terminal of this name; default: the first
 *   <!-- stays up: NAME -->       it goes on when it has printed what it prints
 *   <!-- Ctrl-C: NAME -->         before it runs, Ctrl-C is pressed where NAME runs
 *   <!-- not run: REASON -->      no test runs it
 *   <!-- no bqtape.yaml: WHAT --> a YAML block is something else
 *
 * and, anywhere, of the rest of the page:
 *
 *   <!-- here: TEXT is OTHER -->  where the test has another; $VARIABLES and $(commands) are the shell's to expand
 */

export interface Block {
  readonly page: string;
  /** Of the fence that begins it. */
  readonly line: number;
  /** `sh`, `yaml`, … */
  readonly language: string;
  readonly text: string;
  readonly prints: readonly string[];
  readonly writes: readonly string[];
  readonly into?: string;
  readonly terminal?: string;
  readonly staysUp?: string;
  readonly interrupts?: string;
  readonly notRun?: string;
  readonly otherYaml?: string;
  /** What is said otherwise here, from what the page says to what stands for it; the longest first. */
  readonly here: readonly (readonly [text: string, other: string])[];
}

const ROOT = join(import.meta.dirname, "../..");
const NOTE = /^<!-- (prints|writes|into|terminal|stays up|Ctrl-C|not run|no bqtape\.yaml|here): (.+) -->$/;
const FENCE = /^(\s*)(`{3,})\s*([\w-]*)/;

/** README.md, and all below docs/. */
export function allPages(): string[] {
  const docs = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" });
  return ["README.md", ...docs.filter((file) => file.endsWith(".md")).map((file) => join("docs", file))];
}

export function blocksOf(page: string): Block[] {
  return readBlocks(page, readFileSync(join(ROOT, page), "utf8"));
}

/** @throws when a fence does not end, or a comment of these says nothing that is known. */
export function readBlocks(page: string, text: string): Block[] {
  const blocks: Block[] = [];
  const here: [string, string][] = [];
  let notes: [kind: string, value: string][] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const [, kind = "", value = ""] = NOTE.exec(line) ?? [];
    if (kind === "here") here.push(otherwise(page, at, value));
    else if (kind !== "") notes.push([kind, value]);
    else if (FENCE.test(line)) {
      const [, indent = "", ticks = "", language = ""] = FENCE.exec(line) ?? [];
      const end = lines.indexOf(`${indent}${ticks}`, at + 1);
      if (end < 0) throw new Error(`${page}:${at + 1}: the fence does not end`);
      const body = lines.slice(at + 1, end).map((each) => each.slice(indent.length));
      const all = (wanted: string): string[] =>
        notes.filter(([name]) => name === wanted).map(([, said]) => said);
      const first = (wanted: string): string | undefined => all(wanted)[0];
      const [into, terminal, staysUp] = [first("into"), first("terminal"), first("stays up")];
      const [interrupts, notRun, otherYaml] = [first("Ctrl-C"), first("not run"), first("no bqtape.yaml")];
      blocks.push({
        ...{ page, line: at + 1, language, text: `${body.join("\n")}\n` },
        ...{ prints: all("prints"), writes: all("writes") },
        ...(into !== undefined && { into }),
        ...(terminal !== undefined && { terminal }),
        ...(staysUp !== undefined && { staysUp }),
        ...(interrupts !== undefined && { interrupts }),
        ...(notRun !== undefined && { notRun }),
        ...(otherYaml !== undefined && { otherYaml }),
        here: here.toSorted(([a], [b]) => b.length - a.length),
      });
      notes = [];
      at = end;
    } else if (notes.length > 0) {
      throw new Error(`${page}:${at}: nothing follows that "${notes[0]?.[0]}" could be of`);
    }
  }
  return blocks;
}

function otherwise(page: string, at: number, value: string): [string, string] {
  const [text, other] = value.split(" is ");
  if (text === undefined || other === undefined) throw new Error(`${page}:${at + 1}: not "here: … is …"`);
  return [text, other];
}

/** The block's text with what stands for it here. */
export function textHere({ text, here }: Block, expand: (other: string) => string): string {
  return here.reduce((changed, [said, other]) => changed.replaceAll(said, () => expand(other)), text);
}
