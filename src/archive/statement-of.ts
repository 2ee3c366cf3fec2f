import type { ExchangeRequested } from "../recording/events.ts";
import type { Prepared } from "./prepared.ts";

/** Operations that begin a statement. */
const BEGINS = new Set(["jobs.query", "jobs.insert"]);
/** Those that ask about a job, by its id. */
const OF_JOB = new Set(["jobs.getQueryResults", "jobs.get", "jobs.cancel", "jobs.delete"]);
/** Those that read a table: what begins to, and whether a request goes on with what was begun. */
const READS: Readonly<Record<string, { begins: string; goesOn: (target: string) => boolean }>> = {
  "tabledata.list": { begins: "tabledata.list", goesOn: (target) => /[?&]pageToken=./.test(target) },
  "storage.CreateReadSession": { begins: "storage.CreateReadSession", goesOn: () => false },
  "storage.ReadRows": { begins: "storage.CreateReadSession", goesOn: () => true },
  "storage.SplitReadStream": { begins: "storage.CreateReadSession", goesOn: () => true },
};

type Asking = Pick<ExchangeRequested, "exchange" | "session" | "time" | "operation" | "request">;

/**
 * The exchange that began the statement that another belongs to: itself, or an earlier one whose job or result it asks for.
 * To read a table by itself is a statement, too. Undefined when it belongs to none.
 *
 * @param begun exchanges of the batch that have not ended: whoever names a job's id may ask for it before its answer.
 */
export function statementOf(
  prepared: Prepared,
  asking: Asking,
  begun: Iterable<{ readonly event: Asking }>,
): string | undefined {
  const { exchange, operation } = asking;
  const { name, job } = operation;
  if (BEGINS.has(name)) return exchange;
  if (!OF_JOB.has(name)) return statementOfRead(prepared, asking);
  if (job === undefined) return undefined;
  const written = prepared.statementOfJob.get(job, operation.project ?? "", asking.session);
  let found = written && {
    id: String(written.id),
    isOwn: written.session === asking.session,
    time: Number(written.time),
  };
  for (const { event } of begun) {
    if (event.operation.job !== job || !BEGINS.has(event.operation.name)) continue;
    const other = { id: event.exchange, isOwn: event.session === asking.session, time: event.time };
    if (found === undefined || isRather(other, found)) found = other;
  }
  return found?.id;
}

interface Begun {
  readonly id: string;
  readonly isOwn: boolean;
  readonly time: number;
}

/** In the order that the archive is asked in, wherever a batch ends. */
function isRather(a: Begun, b: Begun): boolean {
  if (a.isOwn !== b.isOwn) return a.isOwn;
  return a.time === b.time ? a.id > b.id : a.time > b.time;
}

function statementOfRead(prepared: Prepared, asking: Asking): string | undefined {
  const { exchange, session, operation, request } = asking;
  const { name, project = "", dataset, table } = operation;
  const read = Object.hasOwn(READS, name) ? READS[name] : undefined;
  if (read === undefined || dataset === undefined || table === undefined) return undefined;
  const ofResult = prepared.statementOfResult.get(`${project}.${dataset}.${table}`, session)?.id;
  if (typeof ofResult === "string") return ofResult;
  if (!read.goesOn(request.target)) return exchange;
  const begun = prepared.statementOfTable.get(table, dataset, session, read.begins)?.id;
  return typeof begun === "string" ? begun : exchange;
}
