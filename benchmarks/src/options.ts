import { parseArgs } from "node:util";

export interface Options {
  readonly quick: boolean;
  readonly only: readonly string[] | undefined;
  readonly scenarios: readonly string[] | undefined;
  readonly rounds: number | undefined;
  readonly json: string | undefined;
  readonly trees: readonly string[];
  readonly directory: string | undefined;
  readonly profile: string | undefined;
  readonly thread: string;
}

export const HELP = `npm run bench -- [options]

  --quick            small sizes, few rounds: minutes, for a look
  --only PEERS       these peers alone, by commas (name or beginning of a name: stock,bqtape)
  --scenarios NAMES  these scenarios alone, by commas (name or beginning of a name: kept,per-query)
  --rounds N         rounds of each scenario, 1 to 100
  --json FILE        every figure of every round
  --tree DIR         another checkout of bqtape, run beside this one as DIR-written, DIR-fsync, DIR-archive, where DIR
                     is the folder's own name; may be given more than once
  --directory DIR    where journals are written; default: the system's temporary directory
  --profile PEER     no tables: profile the main thread of one of bqtape's peers in one scenario (--scenarios)
  --thread NAME      with --profile: another thread, delivery say
  --help
`;

/** A mistake in the command line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws {UsageError}; `undefined` when help is asked for. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parsed(args);
  if (values.help) return undefined;
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 100)) {
    throw new UsageError(`--rounds is a number from 1 to 100, not ${values.rounds}`);
  }
  return {
    quick: values.quick ?? false,
    only: values.only?.split(","),
    scenarios: values.scenarios?.split(","),
    rounds,
    json: values.json,
    trees: values.tree ?? [],
    directory: values.directory,
    profile: values.profile,
    thread: values.thread ?? "main",
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean" },
        only: { type: "string" },
        scenarios: { type: "string" },
        rounds: { type: "string" },
        json: { type: "string" },
        tree: { type: "string", multiple: true },
        directory: { type: "string" },
        profile: { type: "string" },
        thread: { type: "string" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Those with one of the names; a name that is nobody's stands for all that begin with it (`kept` for `kept-8`). */
export function selected<Named extends { readonly name: string }>(
  all: readonly Named[],
  names: readonly string[] | undefined,
): Named[] {
  if (names === undefined) return [...all];
  const found = new Set<Named>();
  for (const name of names) {
    const exact = all.filter((one) => one.name === name);
    const meant = exact.length > 0 ? exact : all.filter((one) => one.name.startsWith(`${name}-`));
    if (meant.length === 0)
      throw new UsageError(`${name} is none of ${all.map((one) => one.name).join(", ")}`);
    for (const one of meant) found.add(one);
  }
  return all.filter((one) => found.has(one));
}
