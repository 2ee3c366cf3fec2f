import type { ArchivedExchange } from "./records/exchange.ts";
import type { ArchivedSession, RefusedIdentities } from "./records/session.ts";
import type { ArchivedStatement } from "./records/statement.ts";

/** A session as `--json` prints it: times as ISO 8601. */
export function sessionJson(session: ArchivedSession) {
  const { started, lastActivity, expires, renewed, over, held, forgotten } = session;
  return {
    ...session,
    started: isoTime(started),
    lastActivity: isoTime(lastActivity),
    ...(expires !== undefined && { expires: isoTime(expires) }),
    ...(renewed !== undefined && { renewed: isoTime(renewed) }),
    ...(over !== undefined && { over: { ...over, at: isoTime(over.at) } }),
    ...(held !== undefined && { held: { ...held, at: isoTime(held.at) } }),
    ...(forgotten !== undefined && { forgotten: { ...forgotten, at: isoTime(forgotten.at) } }),
  };
}

/** Refused identities, likewise. */
export function refusedJson({ count, last }: RefusedIdentities) {
  return { count, last: { ...last, time: isoTime(last.time) } };
}

/** A statement, likewise. */
export function statementJson(statement: ArchivedStatement) {
  const { time, ended } = statement;
  return { ...statement, time: isoTime(time), ...(ended !== undefined && { ended: isoTime(ended) }) };
}

/** An exchange as `--json` prints it: times as ISO 8601, durations in milliseconds. */
export function exchangeJson(exchange: ArchivedExchange) {
  const { time, ended } = exchange;
  return { ...exchange, time: isoTime(time), ...(ended !== undefined && { ended: isoTime(ended) }) };
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
