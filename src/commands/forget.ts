import { createInterface } from "node:readline/promises";
import type { CommandModule, InferredOptionTypes } from "yargs";
import { asText, writeAll } from "../archive/output.ts";
import { count, formatBytes } from "../archive/print/quantities.ts";
import { visible } from "../archive/print/visible.ts";
import type { ArchivedSession } from "../archive/records/session.ts";
import type { Forgotten } from "../archive/retention/forget.ts";
import { withSession } from "../archive/retention/with-session.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import { localUser } from "../identity/local-user.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  because: { type: "string", demandOption: true, describe: "why; kept with the session, and in a notice" },
  by: { type: "string", describe: "who has it forgotten; default: the user of this process" },
  yes: { type: "boolean", default: false, describe: "do not ask" },
  force: {
    type: "boolean",
    default: false,
    describe: "also a session that is running, or that Kafka has not got yet",
  },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

type Arguments = InferredOptionTypes<typeof options> & { id: string };

/** `bqtape forget ID --because WHY`: does away with what a session quotes, for good. */
export const forget: CommandModule<object, Arguments> = {
  command: "forget <id>",
  describe: "destroy a session's bodies, SQL, errors and column names; that it was, stays",
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", demandOption: true, describe: "of a session, or its beginning" })
      .options(options)
      .check(({ because }) => {
        if (because.trim() === "") throw new UsageError("--because takes a reason in words");
        return true;
      }),
  handler: async (given) => {
    const { id, because, by = localUser(), force } = given;
    await withSession(given, id, async ({ session, store, directory, freshness, delivered, journals }) => {
      if (!given.yes) await confirm(session);
      const { forget: forgetNow } = await import("../archive/retention/forget.ts");
      const { openTapeSigner } = await import("../archive/tape/signer.ts");
      const signer = await openTapeSigner(directory);
      const order = { session: session.id, by, because, time: Date.now() };
      const done = await forgetNow(store, {
        ...order,
        live: freshness.live,
        journals,
        delivered,
        force,
        signer,
      });
      if (given.json === true) await writeAll(process.stdout, [`${JSON.stringify(done)}\n`]);
      else await writeAll(process.stdout, asText(lines(done)));
    });
  },
};

function* lines({ session, exchanges, bytes, scrubbed, remarks }: Forgotten): Generator<string> {
  yield `Session ${visible(session)} is forgotten: what ${count(exchanges, "exchange")} quoted (${formatBytes(bytes)} of bodies) is gone; its events stay.`;
  if (scrubbed > 0) yield `${count(scrubbed, "record")} in the journal were overwritten.`;
  for (const remark of remarks) yield `Note: ${visible(remark)}`;
}

/** @throws {UsageError} when nobody can be asked, or the answer is no. */
async function confirm({ id, user, exchanges, bytes }: ArchivedSession): Promise<void> {
  const what = `session ${visible(id)} of ${visible(user)}: ${count(exchanges, "exchange")}, ${formatBytes(bytes)}`;
  if (!process.stdin.isTTY) throw new UsageError(`this cannot be undone (${what}): say --yes`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`Forget ${what}? This cannot be undone. Type yes: `);
    if (answer.trim() !== "yes") throw new UsageError("nothing was forgotten");
  } finally {
    terminal.close();
  }
}
