import { basename } from "node:path";
import type { CommandModule, InferredOptionTypes } from "yargs";
import type { GatewayApi } from "../identity/client/gateway-api.ts";
import type { IdTokens } from "../identity/client/id-tokens.ts";
import { UsageError } from "./failure.ts";
import { gatewayOf, gatewayOptions } from "./gateway-option.ts";
import { identityOptions, idTokensOf } from "./identity-option.ts";
import { type AgentSession, openAgentSession } from "./run/agent-session.ts";
import { cleanEnvironment } from "./run/clean-environment.ts";
import { runCommand } from "./run/command.ts";
import { keepRenewed } from "./run/renewal.ts";
import { summaryText } from "./run/summary.ts";

const options = {
  ...gatewayOptions,
  agent: { type: "string", describe: "name of the agent, as recorded; default: the command's" },
  purpose: { type: "string", describe: "what it is for, as recorded" },
  ...identityOptions,
} as const;

/** `bqtape run -- CMD …`: a command as an agent, in a session of its own. */
export const run: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "run",
  describe: "run a command as an agent, in a session of its own",
  builder: (yargs) =>
    yargs
      .usage("$0 run [options] -- COMMAND [arguments]")
      .options(options)
      // Its words are read as they were given, not as yargs takes them.
      .strict(false)
      .strictOptions()
      .example("bqtape run --gateway https://gateway.example:8081 -- claude", "Claude Code, recorded")
      .example("bqtape run --purpose 'month end' -- python report.py", "with a purpose")
      .epilogue("The exit code is the command's, or 128 and the number of the signal that ended it."),
  async handler(given) {
    const command = commandOf(process.argv);
    const gateway = await gatewayOf(given);
    const tokens = await idTokensOf(given, gateway);
    const session = await openAgentSession(gateway, await tokens.get({ ask: true }), {
      agent: given.agent ?? basename(command[0] ?? "").slice(0, MAX_AGENT),
      purpose: given.purpose,
    });
    try {
      process.exitCode = await runIn(session, command, gateway, tokens);
      await end(session, gateway);
    } finally {
      await session.remove();
    }
  },
};

/** Characters of an agent's name. */
const MAX_AGENT = 64;

/** @throws {UsageError} when nothing is to be run. */
function commandOf(argv: readonly string[]): readonly string[] {
  const dashes = argv.indexOf("--");
  const command = dashes < 0 ? [] : argv.slice(dashes + 1);
  if (command.length === 0)
    throw new UsageError("what is to be run goes behind two dashes: bqtape run -- claude");
  return command;
}

async function runIn(
  session: AgentSession,
  command: readonly string[],
  gateway: GatewayApi,
  tokens: IdTokens,
): Promise<number> {
  const { id } = session.session;
  using _ = keepRenewed({
    session: session.session,
    renew: async (issuedSince) => gateway.renew(id, await tokens.get({ issuedSince })),
    warn: (text) => void process.stderr.write(`bqtape: ${text}\n`),
  });
  const { code, failure } = await runCommand(command, {
    ...cleanEnvironment(process.env),
    ...session.variables,
  });
  if (failure !== undefined) process.stderr.write(`bqtape: ${command[0]} cannot be started: ${failure}\n`);
  return code;
}

/** The command's exit code is what counts: that a session could not be ended is only told, and it ends by itself. */
async function end({ session, token }: AgentSession, gateway: GatewayApi): Promise<void> {
  try {
    const { summary } = await gateway.end(session.id, token);
    process.stderr.write(summaryText(session, summary));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`bqtape: session ${session.id} is not ended, and expires by itself: ${reason}\n`);
  }
}
