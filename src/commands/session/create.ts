import { readFile } from "node:fs/promises";
import type { CommandModule, InferredOptionTypes } from "yargs";
import { visible } from "../../archive/print/visible.ts";
import { duration } from "../../config/values.ts";
import { UsageError } from "../failure.ts";
import { asked, askOptions, printJson } from "./asked.ts";

const options = {
  agent: { type: "string", describe: "name of the agent, as recorded" },
  purpose: { type: "string", describe: "what it is for, as recorded" },
  "max-length": {
    type: "string",
    describe: "after which it ends in any case: 30m, 8h; default: the gateway's",
  },
  "public-key": {
    type: "string",
    describe: "PEM file, RSA of 2048 bits: the one key that the agent's placeholder credentials may have",
  },
  ...askOptions,
} as const;

/** `bqtape session create`: opens a session for an agent that somebody else starts. */
export const create: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "create",
  describe: "open a session; prints its token",
  builder: (yargs) =>
    yargs
      .options(options)
      .example('bqtape env --session "$(bqtape session create --agent nightly)"', "an agent's environment")
      .epilogue(
        "The token is a secret for as long as the session is open: --json has it, and else it is all there is on standard output.",
      ),
  async handler({ json, agent, purpose, maxLength, publicKey, ...given }) {
    const { gateway, tokens } = await asked(given);
    const opened = await gateway.create(await tokens.get({ ask: true }), {
      ...{ agent, purpose },
      maxLength: maxLength === undefined ? undefined : secondsOf(maxLength),
      publicKey: publicKey === undefined ? undefined : await keyOf(publicKey),
    });
    if (json === true) return printJson(opened);
    const { id, user, expiresAt, renewBefore } = opened.session;
    const renewal = renewBefore === undefined ? "" : `, to be renewed before ${renewBefore}`;
    process.stderr.write(`session ${id} of ${visible(user)}, until ${expiresAt}${renewal}\n`);
    process.stdout.write(`${opened.token}\n`);
  },
};

function secondsOf(text: string): number {
  const parsed = duration.safeParse(text);
  if (parsed.success) return Math.ceil(parsed.data / 1000);
  throw new UsageError(`--max-length ${text}: ${parsed.error.issues[0]?.message}`);
}

async function keyOf(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw new UsageError(`--public-key cannot be read: ${cause.message}`, { cause });
  });
  // The gateway would refuse it, and it would have left this machine.
  if (text.includes("PRIVATE KEY"))
    throw new UsageError(
      `--public-key ${file} is a private key: openssl pkey -in ${file} -pubout makes the public one`,
    );
  return text;
}
