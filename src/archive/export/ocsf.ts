import { HEADER, type TopicRecord } from "../../delivery/records/headers.ts";
import { TopicWriter } from "../../delivery/records/writer.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import { NO_SESSION } from "../records/session.ts";
import type { ExportContext, Format } from "./format.ts";
import { isWithin, type Selection, selectedIds } from "./selection.ts";

/**
 * The OCSF events of `bqtape.events.v1`, made by what makes them for Kafka. Uids of exchanges' events are the same, so that
 * a SIEM that has both knows them for one. What names a gateway's journal and run, which no session's records have, is the
 * export's own, and positions (`metadata.sequence`) count its records.
 */
export const ocsf: Format = {
  describe: "the OCSF events that Kafka has of it, one a line",
  bulk: true,
  export: (selection, context) => ({ kind: "stream", binary: false, parts: allLines(selection, context) }),
};

async function* allLines(selection: Selection, context: ExportContext): AsyncGenerator<string> {
  for (const id of selectedIds(context.search, selection)) {
    const isWanted = id === NO_SESSION ? refusedOf(selection, context) : undefined;
    const open = new Set<string | undefined>();
    let events = 0;
    for (const event of ocsfEvents(context.records(id))) {
      events += 1;
      if (!isSelected(event, selection) || isWanted?.(event) === false) continue;
      const { [HEADER.type]: type = "", [HEADER.subject]: subject } = event.headers;
      if (type.endsWith(".requested")) open.add(subject);
      if (ENDS.test(type)) {
        open.delete(subject);
        context.notes.exchanges += 1;
      }
      yield `${event.value}\n`;
    }
    if (open.size > 0) context.notes.add("exchange", UNENDED, open.size);
    if (events === 0 && id !== NO_SESSION)
      context.notes.add("session", "left out: the records that its events are made of are not kept any more");
  }
}

/** Of what was refused before it had a session, what one user asked for; undefined: all of it, whoever asked. */
function refusedOf(
  selection: Selection,
  { search }: ExportContext,
): ((event: TopicRecord) => boolean) | undefined {
  if (selection.kind !== "window" || selection.user === undefined) return undefined;
  const user = selection.user.toLowerCase();
  return ({ headers }) => search.exchange(headers[HEADER.subject] ?? "")?.user?.toLowerCase() === user;
}

/** Of the events that end an exchange. */
const ENDS = /\.(?:completed|denied|closed)$/;

/** That a gateway ended first its next start tells, which is not among a session's records. */
const UNENDED =
  "has no event of its end: it is under way, or was cut short by its gateway's end, as Kafka has it";

/** Names the export in place of a gateway's journal. */
const SOURCE = "bqtape/export";

/** The records of the events' topic that come of a session's journal records. Holds no body: memory is the writer's. */
export function* ocsfEvents(records: Iterable<JournalRecord>): Generator<TopicRecord> {
  const writer = new TopicWriter({ source: SOURCE });
  let at = 0;
  for (const record of records) {
    const next = at + 1;
    const batch = { records: [{ record, at, next }], gaps: [], next };
    for (const made of writer.write(batch)) if (made.topic === "events") yield made;
    at = next;
  }
}

function isSelected({ headers, timestamp }: TopicRecord, selection: Selection): boolean {
  if (selection.kind === "exchange") return headers[HEADER.subject] === selection.exchange.id;
  return selection.kind === "session" || isWithin(timestamp, selection);
}
