import type { CommandModule, InferredOptionTypes } from "yargs";
import { formatTime } from "../archive/print/quantities.ts";
import type { DataDirArguments } from "../archive/with-search.ts";
import { dataDirOptions, resolveDataDir } from "../config/data-dir.ts";
import { keysDirectory } from "../config/paths.ts";
import { type KnownKey, knownKeys, SigningKeys } from "../recording/keys/signing-keys.ts";

const options = {
  ...dataDirOptions,
  json: { type: "boolean", describe: "print a JSON Web Key Set (RFC 7517)" },
} as const;

type Arguments = InferredOptionTypes<typeof options> & DataDirArguments;

/** `bqtape keys list|rotate`: the keys that sign recordings. */
export const keys: CommandModule = {
  command: "keys",
  describe: "the keys that sign recordings",
  builder: (yargs) =>
    yargs.command(list).command(rotate).demandCommand(1, "Name one: list or rotate.").strict(),
  handler: () => undefined,
};

const list: CommandModule<object, Arguments> = {
  command: "list",
  describe: "the public keys that check recordings: the one that signs now, and those before it",
  builder: (yargs) => yargs.options(options),
  async handler(given) {
    print(await knownKeys(await directoryOf(given)), given.json === true);
  },
};

const rotate: CommandModule<object, Arguments> = {
  command: "rotate",
  describe: "make a new key that signs from now on, introduced by the one before",
  builder: (yargs) =>
    yargs
      .options(options)
      .epilogue("Gateways that run take it up within a minute. What the old key signed stays good."),
  async handler(given) {
    const directory = await directoryOf(given);
    const signing = await SigningKeys.open(directory);
    await signing.rotate();
    print(await knownKeys(directory), given.json === true);
  },
};

async function directoryOf({ config, dataDir }: DataDirArguments): Promise<string> {
  return keysDirectory(
    await resolveDataDir({
      ...(config !== undefined && { config }),
      ...(dataDir !== undefined && { dataDir }),
    }),
  );
}

function print(known: readonly KnownKey[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ keys: known.map(({ jwk }) => jwk) })}\n`);
    return;
  }
  if (known.length === 0)
    process.stdout.write("There is no key yet: the gateway makes one when it starts.\n");
  for (const { jwk, current } of known) {
    const since = jwk.since === undefined ? "" : `  since ${formatTime(jwk.since)}`;
    process.stdout.write(`${jwk.kid}${since}${current ? "  signs now" : ""}\n`);
  }
}
