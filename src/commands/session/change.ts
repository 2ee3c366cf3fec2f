import type { CommandModule, InferredOptionTypes } from "yargs";
import { visible } from "../../archive/print/visible.ts";
import { summaryText } from "../run/summary.ts";
import { asked, askOptions, printJson } from "./asked.ts";

const id = { type: "string", demandOption: true, describe: "of the session" } as const;
const because = { type: "string", demandOption: true, describe: "why, as recorded" } as const;

type Arguments = InferredOptionTypes<typeof askOptions> & { id: string };

/** `bqtape session renew ID`: with an ID token issued now; groups are read anew. */
export const renew: CommandModule<object, Arguments> = {
  command: "renew <id>",
  describe: "renew a session, which it needs from time to time to go on",
  builder: (yargs) => yargs.positional("id", id).options(askOptions),
  async handler({ id, json, ...given }) {
    const { gateway, tokens } = await asked(given);
    const session = await gateway.renew(id, await tokens.get({ issuedSince: Date.now() / 1000, ask: true }));
    if (json === true) return printJson({ session });
    process.stdout.write(`session ${id} goes on until ${session.renewBefore ?? session.expiresAt}\n`);
  },
};

/** `bqtape session end ID`: what it runs is cut, and its token is refused from now on. */
export const end: CommandModule<object, Arguments> = {
  command: "end <id>",
  describe: "end a session, and say what was done in it",
  builder: (yargs) => yargs.positional("id", id).options(askOptions),
  async handler({ id, json, ...given }) {
    const { gateway, tokens } = await asked(given);
    const { session, summary, shared } = await gateway.end(id, await tokens.get({ ask: true }));
    if (json === true) printJson({ session, summary, shared });
    else process.stdout.write(summaryText(session, summary));
    if (!shared) warnUnshared();
  },
};

/** `bqtape session revoke ID`: takes a session away, one's own or as an admin anybody's. */
export const revoke: CommandModule<object, Arguments & { because: string }> = {
  command: "revoke <id>",
  describe: "take a session away from its agent, at once",
  builder: (yargs) => yargs.positional("id", id).option("because", because).options(askOptions),
  async handler({ id, because, json, ...given }) {
    const { gateway, tokens } = await asked(given);
    const { session, shared } = await gateway.revoke(id, await tokens.get({ ask: true }), because);
    if (json === true) printJson({ session, shared });
    else process.stdout.write(`session ${id} of ${visible(session.user)} is revoked\n`);
    if (!shared) warnUnshared();
  },
};

/** It is over on the gateway that was asked, and the others go on until they hear of it. */
function warnUnshared(): void {
  process.stderr.write(
    "bqtape: the other gateways have not been told yet: Kafka takes nothing at the moment. It is told as soon as it does.\n",
  );
}
