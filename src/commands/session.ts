import type { CommandModule } from "yargs";
import { end, renew, revoke } from "./session/change.ts";
import { create } from "./session/create.ts";
import { list } from "./session/list.ts";

/** `bqtape session …`: sessions of a gateway, for orchestrators and for people. */
export const session: CommandModule = {
  command: "session",
  describe: "open, list, renew, end and revoke sessions of a gateway",
  builder: (yargs) =>
    yargs
      .command(create)
      .command(list)
      .command(renew)
      .command(end)
      .command(revoke)
      .demandCommand(1, "Name what to do: create, list, renew, end or revoke."),
  handler() {
    // One of its commands has run.
  },
};
