import { canonicalize } from "../../recording/canonical.ts";
import type { Keeping } from "../store.ts";

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
  | {
      /** Whole sessions, or bodies of sessions whose events stay. */
      readonly type: "retired";
      readonly what: "sessions" | "bodies";
      readonly time: number;
      /** `age`: as long kept as the rules say; `budget`: the archive was as large as it may be. */
      readonly because: "age" | "budget";
      readonly sessions: number;
      readonly exchanges: number;
      readonly bytes: number;
      /** The last activity of the oldest and of the youngest of them. */
      readonly from: number;
      readonly until: number;
    };

/** Signs the notices' text. */
export interface NoticeSigner {
  readonly kid: string;
  sign(text: string): string;
}

/** Keeps a notice, signed when there is something to sign with. Only within a transaction. */
export function leaveNotice({ database }: Keeping, notice: Notice, signer?: NoticeSigner): void {
  const content = canonicalize(notice);
  database
    .prepare("INSERT INTO notices (time, content, kid, signature) VALUES (?, ?, ?, ?)")
    .run(notice.time, content, signer?.kid ?? null, signer?.sign(content) ?? null);
}
