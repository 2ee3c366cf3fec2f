import type { ChainHead } from "../../recording/events.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import type { PublicJwk } from "../../recording/keys/jwk.ts";
import type { DamagedBlock } from "../blocks/reader.ts";
import { NO_SESSION } from "../records/session.ts";
import type { Notice } from "../retention/notices.ts";
import type { RowCheck } from "./rows.ts";
import { TrustedKeys } from "./trusted-keys.ts";
import { type Verdict, Verifier } from "./verifier.ts";

/** What is checked of an archive. */
export interface VerifiableArchive {
  /**
   * A session's records as its gateways recorded them, in the order of each journal.
   *
   * @param session {@link NO_SESSION} for the gateways' own.
   */
  records(session: string): Iterable<JournalRecord>;
  /** Begins to compare a session's rows with its records; absent where there are no rows. */
  checkRows?(session: string): RowCheck;
  /** Sessions that exchanges name and the list of sessions has not. */
  unlisted?(): Iterable<string>;
  /** Told of parts that cannot be opened while records are read. */
  onDamage?: ((block: DamagedBlock) => void) | undefined;
  /** Whether events may have been cut on their way here. Default: none were. */
  readonly isTold?: boolean;
  /** What says that a session's bodies were destroyed on purpose; undefined when nothing does. Default: none were. */
  forgotten?(session: string): Destroyed | undefined;
}

/** What says that bodies were destroyed on purpose. */
export interface Destroyed {
  /** The session's last activity when it was done; milliseconds since the Unix epoch. */
  readonly lastActivity: number;
  readonly notices: readonly {
    readonly content: string;
    readonly kid: unknown;
    readonly signature: unknown;
  }[];
}

function covers(content: string, session: string, lastActivity: number): boolean {
  let notice: Partial<Notice>;
  try {
    notice = JSON.parse(content) as Partial<Notice>;
  } catch {
    return false;
  }
  if (notice.type === "forgotten") return notice.session === session;
  if (notice.type !== "retired" || notice.what !== "bodies") return false;
  const { from = Number.POSITIVE_INFINITY, until = Number.NEGATIVE_INFINITY } = notice;
  return from <= lastActivity && lastActivity <= until;
}

/** What came out, of one session or of the gateways' own records. */
export interface SessionVerdict extends Verdict {
  readonly session: string;
}

/** The gateways' own records are checked first: they know where the chains of all sessions stood. */
export class ArchiveVerifier {
  readonly #archive: VerifiableArchive;
  readonly #keys: TrustedKeys;
  /** By session, and by chain. */
  readonly #heads = new Map<string, Map<string, ChainHead>>();
  /** What came out of the gateways' own. */
  readonly own: SessionVerdict;

  constructor(archive: VerifiableArchive, keys: readonly PublicJwk[]) {
    this.#archive = archive;
    this.#keys = new TrustedKeys(keys);
    const verifier = new Verifier({ keys: this.#keys, mayBeCut: archive.isTold === true });
    this.own = this.#check(NO_SESSION, verifier, false);
    for (const head of verifier.heads.values()) {
      const known = this.#heads.get(head.session) ?? new Map<string, ChainHead>();
      this.#heads.set(head.session, known.set(head.id, head));
    }
  }

  /** Sessions that the gateways' own records know. */
  get known(): Iterable<string> {
    return this.#heads.keys();
  }

  session(session: string): SessionVerdict {
    const forgotten = this.#isDestroyed(session);
    const heads = this.#heads.get(session);
    const mayBeCut = forgotten || this.#archive.isTold === true;
    const verifier = new Verifier({ keys: this.#keys, session, heads, forgotten, mayBeCut });
    return this.#check(session, verifier, forgotten);
  }

  /** To have forgotten something is only an excuse when it is signed. */
  #isDestroyed(session: string): boolean {
    const destroyed = this.#archive.forgotten?.(session);
    return (
      destroyed?.notices.some(
        ({ content, kid, signature }) =>
          covers(content, session, destroyed.lastActivity) &&
          this.#keys.check(kid, content, signature) === "good",
      ) === true
    );
  }

  #check(session: string, verifier: Verifier, forgotten: boolean): SessionVerdict {
    const archive = this.#archive;
    const rows = archive.checkRows?.(session);
    const place = session === NO_SESSION ? {} : { session };
    archive.onDamage = ({ id, problem }) =>
      verifier.report({ ...place, kind: "unreadable", message: `block ${id}: ${problem}` });
    try {
      for (const record of archive.records(session)) {
        verifier.add(record, place);
        rows?.add(record);
      }
    } finally {
      archive.onDamage = undefined;
    }
    for (const problem of rows?.end(forgotten) ?? []) verifier.report(problem);
    return { ...verifier.end(), session };
  }
}
