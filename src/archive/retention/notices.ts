import { canonicalize } from "../../recording/canonical.ts";
import type { ChainHead } from "../../recording/events.ts";
import type { Keeping } from "../store.ts";
import type { Due } from "./due.ts";

/** What is left of recordings that are gone: who did away with what, when, and why. Times are milliseconds since the Unix epoch. */
export type Notice =
  | {
      readonly type: "forgotten";
      readonly time: number;
      readonly session: string;
      readonly by: string;
      readonly because: string;
      readonly exchanges: number;
      /** Of bodies. */
      readonly bytes: number;
    }
  | RetiredSessions
  | RetiredOwn;

/** Whole sessions, or bodies of sessions whose events stay. */
export interface Retired {
  readonly type: "retired";
  readonly what: "sessions" | "bodies";
  readonly time: number;
  /** `age`: kept as long as the rules say; `budget`: the archive was larger than it may be. */
  readonly because: "age" | "budget";
  readonly sessions: number;
  readonly exchanges: number;
  /** Of bodies. */
  readonly bytes: number;
  /** The last activity of the oldest and of the youngest of them. */
  readonly from: number;
  readonly until: number;
}

/** Likewise, naming each: what no notice names was taken away by somebody else. */
export interface RetiredSessions extends Retired {
  readonly ids: readonly string[];
}

/** What had no session, from the oldest on: what was refused, and what gateways said of themselves. */
export interface RetiredOwn {
  readonly type: "retired";
  readonly what: "own";
  readonly time: number;
  readonly because: "age";
  /** All that is gone is older than this. */
  readonly before: number;
  /** Of chains that have lost their beginnings: the last event that is gone. */
  readonly chains: readonly Pick<ChainHead, "id" | "sequence" | "hash">[];
  /** Exchanges whose bodies are gone, at least in part, and whose ends are not. */
  readonly exchanges: readonly string[];
}

/** Adds one more session to what a notice tells; begins one where there is none. */
export function withOneMore(
  before: Retired | undefined,
  because: Retired["because"],
  { what, exchanges, bytes, lastActivity }: Due,
  time: number,
): Retired {
  return {
    ...{ type: "retired", what, because, time },
    sessions: (before?.sessions ?? 0) + 1,
    exchanges: (before?.exchanges ?? 0) + exchanges,
    bytes: (before?.bytes ?? 0) + bytes,
    from: Math.min(before?.from ?? lastActivity, lastActivity),
    until: Math.max(before?.until ?? lastActivity, lastActivity),
  };
}

/** Signs the notices' text. */
export interface NoticeSigner {
  readonly kid: string;
  sign(text: string): string;
}

/**
 * Keeps a notice, signed when there is something to sign with. Only within a transaction.
 *
 * @param options.id of a notice of the same doing that this one takes the place of.
 * @returns its id.
 */
export function keepNotice(
  { database }: Keeping,
  notice: Notice,
  { signer, id }: { readonly signer?: NoticeSigner | undefined; readonly id?: number | undefined } = {},
): number {
  const content = canonicalize(notice);
  const { lastInsertRowid } = database
    .prepare("INSERT OR REPLACE INTO notices (id, time, content, kid, signature) VALUES (?, ?, ?, ?, ?)")
    .run(id ?? null, notice.time, content, signer?.kid ?? null, signer?.sign(content) ?? null);
  return Number(lastInsertRowid);
}
