#!/usr/bin/env node
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { archive } from "./commands/archive.ts";
import { ca } from "./commands/ca.ts";
import { demo } from "./commands/demo.ts";
import { env } from "./commands/env.ts";
import { explainFailure, UsageError } from "./commands/failure.ts";
import { forget } from "./commands/forget.ts";
import { hold } from "./commands/hold.ts";
import { login } from "./commands/login.ts";
import { replay } from "./commands/replay.ts";
import { run } from "./commands/run.ts";
import { serve } from "./commands/serve.ts";
import { session } from "./commands/session.ts";
import { sessions } from "./commands/sessions.ts";
import { statements } from "./commands/statements.ts";
import { tail } from "./commands/tail.ts";
import { VERSION } from "./commands/version.ts";

const cli = yargs(hideBin(process.argv))
  .scriptName("bqtape")
  .usage("$0 COMMAND\n\nA recording gateway for AI agents on BigQuery.")
  .version(VERSION)
  .command(serve)
  .command(demo)
  .command(env)
  .command(login)
  .command(run)
  .command(session)
  .command(sessions)
  .command(statements)
  .command(replay)
  .command(forget)
  .command(hold)
  .command(archive)
  .command(tail)
  .command(ca)
  .demandCommand(1, "Name a command.")
  .strict()
  .wrap(Math.min(110, process.stdout.columns ?? 110))
  .fail((message: string, error: Error | undefined) => {
    throw error ?? new UsageError(message);
  });

try {
  await cli.parseAsync();
} catch (error) {
  process.exitCode = explainFailure(error);
}
