import { hash } from "node:crypto";
import { canonicalize } from "./canonical.ts";
import type { ChainHead, ChainLink, Checkpoint, RecordedEvent } from "./events.ts";
import type { Signer } from "./keys/jwk.ts";
import { eventJson } from "./serialize.ts";
import { uuidv7 } from "./uuid.ts";

/** Keeps these digests apart from any others. */
const DOMAIN = "bqtape chain 1";

/** Hexadecimal SHA-256 of an event's canonical JSON. */
export function recordHash(json: string): string {
  return hash("sha256", json, "hex");
}

/** What stands as {@link ChainLink.previous} in a chain's first event: the chain's id and session, one a line. */
export function chainOrigin(id: string, session: string | undefined): string {
  return recordHash(`${DOMAIN}\n${id}\n${session ?? ""}`);
}

/** What a checkpoint's signature is made over. */
export function signedText({ signature: _, ...checkpoint }: Checkpoint): string {
  return canonicalize(checkpoint);
}

/** The chain of one session's events, or of those without a session, while it is made. It begins with its first event. */
export class Chain {
  /** Absent of the gateway's own. */
  readonly session: string | undefined;
  readonly #begun: (chain: Chain) => void;
  #id = "";
  #previous = "";
  #sequence = 0;
  /** Events up to the last checkpoint. */
  #signed = 0;
  /** In which round of checkpoints it had its last event. */
  #lastRound = 0;

  /** @param begun told when it begins, and when it begins anew behind its end. */
  constructor(session: string | undefined, begun: (chain: Chain) => void) {
    this.session = session;
    this.#begun = begun;
  }

  /** Whether it has no event, so that there is nothing to sign. */
  get isEmpty(): boolean {
    return this.#sequence === 0;
  }

  /** Whether it has events that no checkpoint covers. */
  get isUnsigned(): boolean {
    return this.#signed < this.#sequence;
  }

  /** Where it stands; it has an event. */
  get head(): ChainHead {
    return {
      hash: this.#previous,
      id: this.#id,
      sequence: this.#sequence - 1,
      session: this.session ?? "",
    };
  }

  /** Rounds of checkpoints since its last event but for those. */
  rested(round: number): number {
    return round - this.#lastRound;
  }

  /**
   * Gives the event its place, and hands its JSON to `append`; when that throws, nothing has happened.
   *
   * @param round of checkpoints, as it is now.
   */
  add(event: RecordedEvent, append: (json: string) => void, round: number): void {
    if (this.#sequence === 0) this.#begin();
    this.#take(eventJson(event, this.#link()), append);
    this.#lastRound = round;
  }

  /** Signs what it holds. Behind the last checkpoint it begins anew. */
  sign(
    fields: Pick<Checkpoint, "because" | "last" | "heads">,
    signer: Signer,
    append: (json: string) => void,
  ): void {
    if (this.#sequence === 0) this.#begin();
    const { kid } = signer;
    const { session } = this;
    const unsigned: Checkpoint = {
      ...fields,
      type: "checkpoint",
      time: Date.now(),
      kid,
      ...(session !== undefined && { session }),
      chain: this.#link(),
      signature: "",
    };
    this.#take(eventJson({ ...unsigned, signature: signer.sign(signedText(unsigned)) }), append);
    this.#signed = this.#sequence;
  }

  /** Its last checkpoint is made: another event begins another chain. */
  end(): void {
    this.#sequence = this.#signed = 0;
  }

  #begin(): void {
    this.#id = uuidv7();
    this.#previous = chainOrigin(this.#id, this.session);
    this.#begun(this);
  }

  #link(): ChainLink {
    return { id: this.#id, previous: this.#previous, sequence: this.#sequence };
  }

  #take(json: string, append: (json: string) => void): void {
    append(json);
    this.#previous = recordHash(json);
    this.#sequence += 1;
  }
}
