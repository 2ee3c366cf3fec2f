import { ArchiveError } from "../errors.ts";
import { tapeLines } from "../tape/write.ts";
import { noticesOf } from "../verify/destroyed.ts";
import type { ExportContext, Format } from "./format.ts";
import { type Selection, selected } from "./selection.ts";

/**
 * A session's records themselves, signed: what `bqtape verify FILE` checks without the archive and without the network.
 * docs/proof.md says what a line holds, and how to check it by hand.
 */
export const tape: Format = {
  describe: "a session's records themselves, signed: bqtape verify FILE proves them",
  bulk: false,
  export(selection, context) {
    const session = sessionOf(selection);
    return { kind: "stream", binary: false, parts: lines(session, selection, context) };
  },
};

function sessionOf(selection: Selection): string {
  if (selection.kind === "session") return selection.session.id;
  throw new ArchiveError("unknown-id", "a tape has a whole session: name one, or export an exchange as json");
}

async function* lines(session: string, selection: Selection, context: ExportContext): AsyncGenerator<string> {
  const signer = await context.signer();
  const notices = [...noticesOf(session, context.search.notices())];
  for (const line of tapeLines(session, context.records(session), signer, notices)) yield `${line}\n`;
  for (const { exchanges } of selected(context.search, selection))
    for (const _ of exchanges) context.notes.exchanges += 1;
}
