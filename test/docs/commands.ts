import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { GENERATED, page } from "./markdown.ts";

const run = promisify(execFile);

/** Commands whose help is asked for at the same time. */
const AT_ONCE = 2;

/** `docs/reference/commands.md`: what `--help` says of every command there is. */
export async function commandsPage(): Promise<string> {
  const helps = await everyHelp();
  return page(
    "# Commands",
    GENERATED,
    "In the tree `npm run -s bqtape --` stands for `bqtape`. [Exit codes](errors.md#commands).",
    ...[...helps].map(([command, help]) => `## ${command}\n\n\`\`\`text\n${help}\n\`\`\``),
  );
}

/** The help of each command, and of what it lists, in the order of the help. */
export async function everyHelp(): Promise<ReadonlyMap<string, string>> {
  const top = await helpOf([]);
  const names = subcommands("bqtape", top);
  const helps = new Map<string, string[]>();
  const waiting = [...names];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        helps.set(name, await withSubcommands(name));
      }
    }),
  );
  const all: [string, string][] = [["bqtape", top]];
  for (const name of names) {
    for (const help of helps.get(name) ?? []) all.push([titleOf(help), help]);
  }
  return new Map(all);
}

async function withSubcommands(name: string): Promise<string[]> {
  const help = await helpOf([name]);
  const nested: string[] = [];
  for (const sub of subcommands(`bqtape ${name}`, help)) nested.push(await helpOf([name, sub]));
  return [help, ...nested];
}

/** A help's first words: `bqtape session renew <id>` is about `bqtape session renew`. */
function titleOf(help: string): string {
  return /^bqtape(?: [a-z][a-z-]*)*/.exec(help)?.[0] ?? help;
}

/** What a help lists as commands of the one that it is about. */
function subcommands(of: string, help: string): string[] {
  const [, list = ""] = /^Commands:\n((?: {2}.*\n)+)/m.exec(help) ?? [];
  return [...list.matchAll(new RegExp(`^ {2}${of} ([a-z]+)`, "gm"))].map(([, name = ""]) => name);
}

/** In English, whoever runs this; and without a terminal, so that lines are as long as they are at most. */
async function helpOf(command: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ["src/main.ts", ...command, "--help"], {
    env: { ...process.env, LC_ALL: "en_US.UTF-8" },
    timeout: 60_000,
  });
  return stdout.trimEnd();
}
