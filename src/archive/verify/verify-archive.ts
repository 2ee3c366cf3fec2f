import type { JournalRecord } from "../../recording/frame.ts";
import type { PublicJwk } from "../../recording/keys/jwk.ts";
import type { DamagedBlock } from "../blocks/reader.ts";
import { NO_SESSION } from "../records/session.ts";
import { Destroyed, type SignedNotice } from "./destroyed.ts";
import type { GoneRows, RowCheck } from "./rows.ts";
import { TrustedKeys } from "./trusted-keys.ts";
import { type SignedHead, type Verdict, Verifier } from "./verifier.ts";

/** What is checked of an archive. */
export interface VerifiableArchive {
  /**
   * A session's records as its gateways recorded them, in the order of each journal.
   *
   * @param session {@link NO_SESSION} for the gateways' own.
   */
  records(session: string): Iterable<JournalRecord>;
  /** Begins to compare a session's rows with its records; absent where there are no rows. */
  checkRows?(session: string, gone: GoneRows): RowCheck;
  /** Sessions that exchanges name and the list of sessions has not. */
  unlisted?(): Iterable<string>;
  /** Told of parts that cannot be opened while records are read. */
  onDamage?: ((block: DamagedBlock) => void) | undefined;
  /** Whether events may have been cut on their way here. Default: none were. */
  readonly isTold?: boolean;
  /** What says that something was destroyed on purpose. Default: nothing was. */
  notices?(): Iterable<SignedNotice>;
  /** Runs a check on the archive as it is now, whatever is written meanwhile. Default: nothing is. */
  atOnce?<T>(check: () => T): T;
}

/** What came out, of one session or of the gateways' own records. */
export interface SessionVerdict extends Verdict {
  readonly session: string;
}

/** The gateways' own records are checked first: they know where the chains of all sessions stood. */
export class ArchiveVerifier {
  readonly #archive: VerifiableArchive;
  readonly #keys: TrustedKeys;
  #destroyed: Destroyed;
  /** By session, and by chain. */
  readonly #heads = new Map<string, Map<string, SignedHead>>();
  /** What came out of the gateways' own. */
  readonly own: SessionVerdict;

  constructor(archive: VerifiableArchive, keys: readonly PublicJwk[]) {
    this.#archive = archive;
    this.#keys = new TrustedKeys(keys);
    const { verdict, destroyed, heads } = atOnce(archive, () => this.#checkOwn());
    this.own = verdict;
    this.#destroyed = destroyed;
    for (const head of heads) {
      const known = this.#heads.get(head.session) ?? new Map<string, SignedHead>();
      this.#heads.set(head.session, known.set(head.id, head));
    }
  }

  /** Sessions that the gateways' own records know. */
  get known(): Iterable<string> {
    return this.#heads.keys();
  }

  session(session: string): SessionVerdict {
    return atOnce(this.#archive, () => {
      const verdict = this.#session(session);
      if (verdict.intact) return verdict;
      // It may have been retired or forgotten since the notices were read.
      const before = this.#destroyed;
      this.#destroyed = this.#readNotices();
      return this.#destroyed.agreesWith(before, session) ? verdict : this.#session(session);
    });
  }

  #readNotices(): Destroyed {
    return new Destroyed(this.#archive.notices?.() ?? [], this.#keys);
  }

  #checkOwn() {
    const archive = this.#archive;
    const destroyed = this.#readNotices();
    const { own: gone, ownBefore: since } = destroyed;
    const verifier = new Verifier({ keys: this.#keys, mayBeCut: archive.isTold === true, gone });
    const rows = archive.checkRows?.(NO_SESSION, { since });
    const verdict = this.#check(NO_SESSION, verifier, rows);
    return { verdict, destroyed, heads: verifier.heads.values() };
  }

  #session(session: string): SessionVerdict {
    const archive = this.#archive;
    const gone = this.#destroyed.of(session);
    const retired = this.#destroyed.retiredUntil(session);
    const mayBeCut = gone !== undefined || archive.isTold === true;
    const heads = this.#headsBehind(session, retired ?? Number.NEGATIVE_INFINITY);
    const verifier = new Verifier({ keys: this.#keys, session, heads, gone, mayBeCut });
    // Of what is being retired rows are gone before their records are.
    const hasRows = retired === undefined;
    const rows = hasRows ? archive.checkRows?.(session, { withoutBodies: gone !== undefined }) : undefined;
    return this.#check(session, verifier, rows);
  }

  /** Where a session's chains stood that the gateway signed later than a time. */
  #headsBehind(session: string, time: number): ReadonlyMap<string, SignedHead> {
    const heads = this.#heads.get(session) ?? new Map<string, SignedHead>();
    return new Map([...heads].filter(([, head]) => head.time > time));
  }

  #check(session: string, verifier: Verifier, rows: RowCheck | undefined): SessionVerdict {
    const archive = this.#archive;
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
    for (const problem of rows?.end() ?? []) verifier.report(problem);
    return { ...verifier.end(), session };
  }
}

function atOnce<T>(archive: VerifiableArchive, check: () => T): T {
  return archive.atOnce === undefined ? check() : archive.atOnce(check);
}
