import type { ChainHead } from "../../recording/events.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import type { PublicJwk } from "../../recording/keys/jwk.ts";
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
  /** Whether a session's bodies were destroyed on purpose. Default: none were. */
  forgotten?(session: string): unknown;
}

/** In place of a session's id: what gateways recorded of none. */
export const NO_SESSION = "none";

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
    const verifier = new Verifier({ keys: this.#keys });
    for (const record of archive.records(NO_SESSION)) verifier.add(record);
    this.own = { ...verifier.end(), session: NO_SESSION };
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
    const forgotten = Boolean(this.#archive.forgotten?.(session));
    const heads = this.#heads.get(session);
    const verifier = new Verifier({ keys: this.#keys, session, heads, forgotten });
    for (const record of this.#archive.records(session)) verifier.add(record, { session });
    return { ...verifier.end(), session };
  }
}
