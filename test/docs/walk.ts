import assert from "node:assert/strict";
import { cpSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Block, blocksOf, textHere } from "./blocks.ts";
import { type Running, Terminals } from "./terminal.ts";

const TREE = join(import.meta.dirname, "../..");

/** What of the environment a person's shell has, too. */
const KEPT = ["PATH", "TMPDIR", "LANG", "CI"];

/** The exit code of what Ctrl-C has ended: 128 and SIGINT's number. */
const INTERRUPTED = 130;

/** A clone of the tree in a directory of its own, to which its user adds files. */
export function clone(): string {
  const directory = temporaryDirectory();
  for (const name of ["package.json", "src", "deploy", "docs", "README.md", "test/setup", "certs/README.md"])
    cpSync(join(TREE, name), join(directory, name), { recursive: true });
  symlinkSync(join(TREE, "node_modules"), join(directory, "node_modules"));
  return directory;
}

/** A folder with a `bqtape` that runs the clone's. */
function installIn(directory: string, state: string): string {
  const bin = join(state, "bin");
  mkdirSync(bin);
  const script = `#!/bin/sh\nexec "${process.execPath}" "${join(directory, "src/main.ts")}" "$@"\n`;
  writeFileSync(join(bin, "bqtape"), script, { mode: 0o755 });
  return bin;
}

/**
 * Does what a page says, in its order: each block is a test of its own.
 *
 * @param directory where to do it; what the page says to put in a file goes there.
 * @param programs folders with programs that the page's reader has.
 * @param environment of the reader's shells, such as what the page's `here` comments name.
 */
export async function walk(
  test: TestContext,
  page: string,
  {
    directory,
    programs = [],
    environment,
  }: {
    readonly directory: string;
    readonly programs?: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const state = temporaryDirectory();
  const home = join(state, "home");
  mkdirSync(home);
  const kept = Object.fromEntries(KEPT.map((name) => [name, process.env[name]]));
  // The tree's Node in front of the machine's own.
  const path = [installIn(directory, state), dirname(process.execPath), ...programs, kept.PATH];
  const terminals = new Terminals(directory, state, {
    ...kept,
    PATH: path.join(delimiter),
    HOME: home,
    ...environment,
  });
  test.after(() => terminals.kill());
  const expanded = new Map<string, string>();
  const up = new Map<string, Running>();

  /** Asks the shell once for each, when it is first needed. */
  const expand = async (block: Block): Promise<string> => {
    for (const [said, other] of block.here) {
      if (!block.text.includes(said) || expanded.has(other)) continue;
      const { code, output } = await terminals.run(`printf %s "${other}"`);
      assert.equal(code, 0, output);
      assert.notEqual(output, "", `nothing stands for ${said} here`);
      expanded.set(other, output);
    }
    return textHere(block, (other) => expanded.get(other) ?? other);
  };

  const interrupt = async (name: string): Promise<void> => {
    const running = up.get(name);
    assert.ok(running, `nothing is up that is called ${name}`);
    up.delete(name);
    const { code, output } = await running.interrupt();
    // npm has been interrupted too, and says so whatever its script's exit code is.
    assert.ok(code === 0 || code === INTERRUPTED, `it ended with ${code}: ${output}`);
  };

  let wentOn = true;
  for (const block of blocksOf(page)) {
    // What comes after a step that failed would fail because of it.
    if (!wentOn) break;
    const { language, into, notRun, line, prints, writes, staysUp, terminal, interrupts } = block;
    if (notRun !== undefined || (language !== "sh" && into === undefined)) continue;
    const [first = ""] = block.text.split("\n");
    wentOn = false;
    await test.test(`${page}:${line} ${into ?? first}`, async () => {
      if (interrupts !== undefined) await interrupt(interrupts);
      const text = await expand(block);
      if (into !== undefined) writeFileSync(join(directory, into), text);
      else if (staysUp !== undefined) up.set(staysUp, await terminals.start(text, prints, terminal));
      else {
        const { code, output } = await terminals.run(text, terminal);
        assert.equal(code, 0, output);
        for (const printed of prints) assert.ok(output.includes(printed), `no "${printed}" in: ${output}`);
        for (const file of writes) assert.notEqual(statSync(join(directory, file)).size, 0, file);
      }
      wentOn = true;
    });
  }
  await test.test("Ctrl-C ends in order what is up", async () => {
    for (const name of [...up.keys()]) await interrupt(name);
  });
}
