import type { Source } from "../../recording/events.ts";
import { definedOnly, json, number, type Row, text } from "./row.ts";

/** In place of a session's id: of what was refused before there was one, and of the gateway itself. */
export const NO_SESSION = "none";

/** A session as the archive knows it; sizes in bytes, times in milliseconds since the Unix epoch. */
export interface ArchivedSession {
  readonly id: string;
  readonly user: string;
  /** Absent when only the session's exchanges, not its beginning, are in the archive; likewise `groups`. */
  readonly subject?: string;
  readonly groups: readonly string[];
  readonly source: Source;
  readonly userAgent?: string;
  /** Who says who the user is: an OpenID provider. */
  readonly issuer?: string;
  /** What the agent is called, and what it is for, by whoever opened the session. */
  readonly agent?: string;
  readonly purpose?: string;
  /** The session's hard end. */
  readonly expires?: number;
  /** When the user proved anew who they are, last; groups are as of then. */
  readonly renewed?: number;
  /** How it was over before its hard end, or at it. */
  readonly over?: {
    readonly how: "ended" | "revoked";
    readonly at: number;
    readonly because: string;
    /** Who revoked it. */
    readonly by?: string;
  };
  /** Under legal hold: neither retired nor forgotten. */
  readonly held?: Order;
  /** What it quoted is gone: bodies, SQL, errors, column names. */
  readonly forgotten?: Order;
  /** Whether bodies and SQL are gone as their time was up. */
  readonly bodiesRetired?: boolean;
  readonly started: number;
  readonly lastActivity: number;
  readonly exchanges: number;
  readonly statements: number;
  readonly denied: number;
  /** Cut short by the end of a gateway. */
  readonly incomplete: number;
  /** Of request and response bodies. */
  readonly bytes: number;
}

/** What somebody had done to a session; milliseconds since the Unix epoch. */
export interface Order {
  readonly at: number;
  readonly by: string;
  readonly because: string;
}

/** @param live whether a gateway runs: without one, what has not ended never will. */
export function toSession(row: Row, live: boolean): ArchivedSession {
  const incomplete = number(row, "incomplete") ?? 0;
  const running = (number(row, "exchanges") ?? 0) - (number(row, "ended") ?? 0) - incomplete;
  return definedOnly({
    id: text(row, "id") ?? "",
    user: text(row, "user") ?? "",
    subject: text(row, "subject"),
    groups: json<string[]>(row, "principal_groups", []),
    source: { address: text(row, "source_address") ?? "", port: number(row, "source_port") ?? 0 },
    userAgent: text(row, "user_agent"),
    issuer: text(row, "issuer"),
    agent: text(row, "agent"),
    purpose: text(row, "purpose"),
    expires: number(row, "expires"),
    renewed: number(row, "renewed"),
    over: overOf(row),
    held: orderOf(row, "held"),
    forgotten: orderOf(row, "forgotten"),
    bodiesRetired:
      number(row, "forgotten") === undefined && number(row, "bodies_retired") !== undefined
        ? true
        : undefined,
    started: number(row, "started") ?? 0,
    lastActivity: number(row, "last_activity") ?? number(row, "started") ?? 0,
    exchanges: number(row, "exchanges") ?? 0,
    statements: number(row, "statements") ?? 0,
    denied: number(row, "denied") ?? 0,
    incomplete: incomplete + (live ? 0 : running),
    bytes: number(row, "bytes") ?? 0,
  });
}

function overOf(row: Row): ArchivedSession["over"] {
  const how = text(row, "over");
  if (how !== "ended" && how !== "revoked") return undefined;
  const by = text(row, "over_by");
  const at = number(row, "over_at") ?? 0;
  return { how, at, because: text(row, "over_because") ?? "", ...(by !== undefined && { by }) };
}

function orderOf(row: Row, what: "held" | "forgotten"): Order | undefined {
  const at = number(row, what);
  if (at === undefined) return undefined;
  return { at, by: text(row, `${what}_by`) ?? "", because: text(row, `${what}_because`) ?? "" };
}

/** Those who came without an identity that is known. */
export interface RefusedIdentities {
  readonly count: number;
  /** The last one of them. */
  readonly last: { readonly time: number; readonly source: Source; readonly reason: string };
}

export function toRefusedIdentities(row: Row): RefusedIdentities {
  const source = { address: text(row, "source_address") ?? "", port: number(row, "source_port") ?? 0 };
  const last = { time: number(row, "time") ?? 0, source, reason: text(row, "reason") ?? "" };
  return { count: number(row, "count") ?? 0, last };
}
