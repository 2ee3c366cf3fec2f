import type { ArchivedExchange, ArchivedSession } from "./records.ts";

/** A session as `--json` prints it: times as ISO 8601. */
export function sessionJson(session: ArchivedSession) {
  return { ...session, started: isoTime(session.started), lastActivity: isoTime(session.lastActivity) };
}

/** An exchange as `--json` prints it: times as ISO 8601, durations in milliseconds. */
export function exchangeJson(exchange: ArchivedExchange) {
  const { time, ended } = exchange;
  return { ...exchange, time: isoTime(time), ...(ended !== undefined && { ended: isoTime(ended) }) };
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
