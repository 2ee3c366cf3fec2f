import type { CommandModule, InferredOptionTypes } from "yargs";
import { sessionJson } from "../archive/json.ts";
import { asText, writeAll } from "../archive/output.ts";
import { formatTime } from "../archive/print/quantities.ts";
import { styleFor } from "../archive/print/style.ts";
import { formatTable } from "../archive/print/table.ts";
import { visible } from "../archive/print/visible.ts";
import type { ArchivedSession } from "../archive/records/session.ts";
import { withSession } from "../archive/retention/with-session.ts";
import { withSearch } from "../archive/with-search.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import { localUser } from "../identity/local-user.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  because: { type: "string", describe: "why it is held" },
  by: { type: "string", describe: "who has it held; default: the user of this process" },
  release: { type: "boolean", default: false, describe: "hold it no longer" },
  list: { type: "boolean", default: false, describe: "list what is held" },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

type Arguments = InferredOptionTypes<typeof options> & { id: string | undefined };

/** `bqtape hold ID --because WHY`: a session under legal hold is neither retired nor forgotten. */
export const hold: CommandModule<object, Arguments> = {
  command: "hold [id]",
  describe: "put a session under legal hold: it is neither retired nor forgotten",
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", describe: "of a session, or its beginning" })
      .options(options)
      .check((given) => {
        checkUsage(given);
        return true;
      }),
  handler: async (given) => {
    if (given.list) return await list(given);
    const { id = "", because = "", by = localUser(), release } = given;
    await withSession(given, id, async ({ session, store }) => {
      const holds = await import("../archive/retention/holds.ts");
      const order = { session: session.id, by, because, time: Date.now() };
      store.maintain((keeping) =>
        release ? holds.release(keeping, session.id) : holds.hold(keeping, order),
      );
      const text = `Session ${visible(session.id)} is ${release ? "held no longer" : "under legal hold"}.\n`;
      const json = `${JSON.stringify({ session: session.id, held: !release })}\n`;
      await writeAll(process.stdout, [given.json === true ? json : text]);
    });
  },
};

function checkUsage({ id, because, release, list: isList }: Partial<Arguments>): void {
  if (isList === true) {
    if (id !== undefined || release === true) throw new UsageError("--list stands alone");
    return;
  }
  if (id === undefined)
    throw new UsageError("which session? bqtape hold ID --because WHY, or bqtape hold --list");
  if (release !== true && (because ?? "").trim() === "")
    throw new UsageError("--because takes a reason in words");
}

async function list(given: Arguments): Promise<void> {
  await withSearch(given, async (search) => {
    const held = search.heldSessions();
    const json = `${JSON.stringify({ sessions: held.map(sessionJson) })}\n`;
    await writeAll(process.stdout, given.json === true ? [json] : asText(lines(held)));
  });
}

function* lines(held: readonly ArchivedSession[]): Generator<string> {
  if (held.length === 0) {
    yield "No session is under legal hold.";
    return;
  }
  const style = styleFor(process.stdout);
  const columns = ["session", "user", "held since", "by", "because"].map((title) => ({ title }));
  const rows = held.map(({ id, user, held: order }) => [
    ...[id, user, formatTime(order?.at ?? 0).slice(0, 19)],
    ...[order?.by ?? "", order?.because ?? ""],
  ]);
  const width = Number.POSITIVE_INFINITY;
  yield* formatTable(columns, rows, { width, paintHead: (line) => style.paint("bold", line) });
}
