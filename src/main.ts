import yargs, { type CommandModule } from "yargs";
import { hideBin } from "yargs/helpers";
import { explainFailure, UsageError } from "./commands/failure.ts";
import { VERSION } from "./commands/version.ts";

/** In the order of the help. */
const COMMANDS = {
  serve: async () => (await import("./commands/serve.ts")).serve,
  demo: async () => (await import("./commands/demo.ts")).demo,
  sandbox: async () => (await import("./commands/sandbox.ts")).sandbox,
  env: async () => (await import("./commands/env.ts")).env,
  login: async () => (await import("./commands/login.ts")).login,
  run: async () => (await import("./commands/run.ts")).run,
  session: async () => (await import("./commands/session.ts")).session,
  sessions: async () => (await import("./commands/sessions.ts")).sessions,
  statements: async () => (await import("./commands/statements.ts")).statements,
  replay: async () => (await import("./commands/replay.ts")).replay,
  export: async () => (await import("./commands/export.ts")).exportCommand,
  reconcile: async () => (await import("./commands/reconcile.ts")).reconcile,
  verify: async () => (await import("./commands/verify.ts")).verify,
  keys: async () => (await import("./commands/keys.ts")).keys,
  forget: async () => (await import("./commands/forget.ts")).forget,
  hold: async () => (await import("./commands/hold.ts")).hold,
  archive: async () => (await import("./commands/archive.ts")).archive,
  tail: async () => (await import("./commands/tail.ts")).tail,
  ca: async () => (await import("./commands/ca.ts")).ca,
  doctor: async () => (await import("./commands/doctor.ts")).doctor,
} as const;

/** Only the command that is named is loaded: all of them take four times as long. Without a name, all, for the help. */
async function commandsFor(name: string | undefined): Promise<CommandModule[]> {
  const loads = Object.entries(COMMANDS);
  const named = loads.filter(([command]) => command === name);
  // Each has arguments of its own, which are nothing to yargs' list of them.
  return (await Promise.all((named.length > 0 ? named : loads).map(([, load]) => load()))) as CommandModule[];
}

try {
  const given = hideBin(process.argv);
  const cli = yargs(given)
    .scriptName("bqtape")
    .usage("$0 COMMAND\n\nA recording gateway for AI agents on BigQuery.")
    .version(VERSION)
    .command(await commandsFor(given[0]))
    .demandCommand(1, "Name a command.")
    .strict()
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .fail((message: string, error: Error | undefined) => {
      throw error ?? new UsageError(message);
    });
  await cli.parseAsync();
} catch (error) {
  process.exitCode = explainFailure(error);
}
