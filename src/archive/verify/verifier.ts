import { canonicalize } from "../../recording/canonical.ts";
import { chainOrigin, recordHash, signedText } from "../../recording/chain.ts";
import type { BodyChunk, ChainHead, ChainLink, Checkpoint, RecordedEvent } from "../../recording/events.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import { BodyCheck } from "./body-check.ts";
import { type Beginning, ChainCheck, type Linked } from "./chain-check.ts";
import type { Gone } from "./destroyed.ts";
import type { Note, Place, Problem } from "./problem.ts";
import type { TrustedKeys } from "./trusted-keys.ts";

export interface VerifierOptions {
  readonly keys: TrustedKeys;
  /** Whose recording it is, when it is one session's: what is of another was added. */
  readonly session?: string | undefined;
  /** Where the gateways' own chains say that this session's stood, by chain; see {@link Verifier.heads}. */
  readonly heads?: ReadonlyMap<string, ChainHead> | undefined;
  /** What was destroyed on purpose. Default: nothing was. */
  readonly gone?: Gone | undefined;
  /** Whether events may be there without what they were recorded with, their places alone provable. Default: they may. */
  readonly mayBeCut?: boolean;
  /** Told of each problem when it is found. */
  readonly onProblem?: (problem: Problem) => void;
}

/** Where a chain stood when the gateway signed that; milliseconds since the Unix epoch. */
export interface SignedHead extends ChainHead {
  readonly time: number;
}

/** What came out. */
export interface Verdict {
  /** Nothing is wrong. What `notes` have was not proven. */
  readonly intact: boolean;
  /** The first {@link MAX_TOLD} of them. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  readonly notes: readonly Note[];
  readonly counts: {
    readonly events: number;
    readonly chunks: number;
    readonly bodyBytes: number;
    /** Whose digest is right. */
    readonly bodies: number;
    readonly chains: number;
    /** Whose signature is good. */
    readonly checkpoints: number;
  };
  /** Thumbprints of the keys whose signatures were found good. */
  readonly keys: readonly string[];
}

/** Problems that a verdict lists, and notes. */
export const MAX_TOLD = 1_000;

/** Checks records as they come, in the order of each journal. Memory grows with chains, not with records. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #problems: Problem[] = [];
  readonly #notes: Note[] = [];
  readonly #tell = (problem: Problem): void => {
    this.#problemCount += 1;
    if (this.#problems.length < MAX_TOLD) this.#problems.push(problem);
    this.#options.onProblem?.(problem);
  };
  readonly #chains = new Map<string, ChainCheck>();
  readonly #bodies = new BodyCheck(this.#tell);
  readonly #heads = new Map<string, SignedHead>();
  readonly #keys = new Set<string>();
  #problemCount = 0;
  #events = 0;
  #chunks = 0;
  #bodyBytes = 0;
  #checkpoints = 0;
  #cut = 0;
  #forgotten = 0;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** Where the gateways' own checkpoints say that the chains of sessions stood, the last of each: for whoever checks those. */
  get heads(): ReadonlyMap<string, SignedHead> {
    return this.#heads;
  }

  get problemCount(): number {
    return this.#problemCount;
  }

  /** @param hash of an event, when it is known: the hexadecimal SHA-256 of its canonical JSON. */
  add(record: JournalRecord, place: Place = {}, hash?: string): void {
    if (record.kind === "body") this.#chunk(record.chunk, place);
    else this.#event(record.event, place, hash);
  }

  /** Tells a problem of the whole that only its reader can see. */
  report(problem: Problem): void {
    this.#tell(problem);
  }

  note(note: Note): void {
    if (this.#notes.length < MAX_TOLD) this.#notes.push(note);
  }

  /** Nothing more comes. */
  end(): Verdict {
    const chains = new Set(this.#chains.values());
    for (const chain of chains) {
      chain.end();
      this.#noteUnsealed(chain);
    }
    for (const head of this.#options.heads?.values() ?? []) this.#checkHead(head);
    this.#noteLeft();
    if (this.#cut > 0) {
      const message = `${this.#cut} events are not there as they were recorded: their places were checked, what they say was not`;
      this.note({ kind: "cut", message });
    }
    if (this.#forgotten > 0)
      this.note({ kind: "forgotten", message: `${this.#forgotten} bodies were destroyed on purpose` });
    return {
      intact: this.#problemCount === 0,
      problems: this.#problems,
      problemCount: this.#problemCount,
      notes: this.#notes,
      counts: {
        events: this.#events,
        chunks: this.#chunks,
        bodyBytes: this.#bodyBytes,
        bodies: this.#bodies.checked,
        chains: chains.size,
        checkpoints: this.#checkpoints,
      },
      keys: [...this.#keys],
    };
  }

  #chunk(chunk: BodyChunk, place: Place): void {
    this.#chunks += 1;
    this.#bodyBytes += chunk.bytes.length;
    this.#bodies.chunk(chunk, place);
  }

  #event(event: RecordedEvent, where: Place, known: string | undefined): void {
    this.#events += 1;
    const { chain: link } = event;
    const session = sessionOf(event);
    const place = { ...where, session, ...("exchange" in event && { exchange: event.exchange }) };
    if (link === undefined) {
      this.#tell({ kind: "added", ...place, message: "it has no place in any chain" });
      return;
    }
    if (link.cut !== undefined) this.#cut += 1;
    if (link.cut !== undefined && this.#options.mayBeCut === false) {
      const message = "it is not there as it was recorded, and nothing says why";
      this.#tell({ kind: "changed", ...place, chain: link.id, sequence: link.sequence, message });
    }
    const hash = link.cut ?? known ?? recordHash(canonicalize(event));
    const signature = event.type === "checkpoint" ? this.#signature(event, place, link) : "none";
    const last = event.type === "checkpoint" && event.last;
    const linked: Linked = { link, hash, place, signature, last };
    const tell = this.#chainOf(linked, session).add(linked);
    const head = this.#options.heads?.get(link.id);
    if (head?.sequence === link.sequence && head.hash !== hash) {
      const message = "the gateway's own chain has another digest of it";
      tell({ kind: "changed", ...place, chain: link.id, sequence: link.sequence, message });
    }
    if (event.type === "exchange.requested") this.#bodies.begin(event.exchange);
    if (event.type === "exchange.completed" || event.type === "exchange.denied") {
      const { exchange, request, response } = event;
      const areGone = this.#areBodiesGone(exchange);
      this.#forgotten += this.#bodies.end(exchange, { request, response }, place, tell, areGone);
    }
    if (event.type === "checkpoint" && signature === "good" && session === undefined) this.#remember(event);
  }

  #areBodiesGone(exchange: string): boolean {
    const { bodiesOf } = this.#options.gone ?? {};
    return bodiesOf === "all" || bodiesOf?.has(exchange) === true;
  }

  #beginningOf(chain: string): Beginning {
    const { chains } = this.#options.gone ?? {};
    if (chains === "any") return "anywhere";
    const last = chains?.get(chain);
    return last === undefined ? "origin" : last;
  }

  #chainOf(event: Linked, session: string | undefined): ChainCheck {
    const known = this.#chains.get(event.link.id);
    if (known !== undefined) return known;
    const meant = [...this.#chains.values()].find((chain) => chain.continues(event));
    if (meant !== undefined) {
      // It may be this one's id that was changed, or that of its only event before.
      if (meant.length === 1) this.#chains.set(event.link.id, meant);
      return meant;
    }
    const { session: only } = this.#options;
    const { id, sequence, previous } = event.link;
    // A first event says by its digest whose chain it begins, whatever else it says.
    const isOfOnly = only !== undefined && sequence === 0 && previous === chainOrigin(id, only);
    if (only !== undefined && session !== only && !isOfOnly) {
      const message = `it is of ${session === undefined ? "no session" : `session ${session}`}, not of ${only}`;
      this.#tell({ kind: "added", ...event.place, message });
    }
    const chain = new ChainCheck(id, isOfOnly ? only : session, this.#tell, this.#beginningOf(id));
    this.#chains.set(id, chain);
    return chain;
  }

  #signature(event: Checkpoint, place: Place, { id, sequence, cut }: ChainLink): Linked["signature"] {
    if (cut !== undefined) return "none";
    const verdict = this.#options.keys.check(event.kid, signedText(event), event.signature);
    if (verdict === "good") {
      this.#checkpoints += 1;
      this.#keys.add(event.kid);
      return "good";
    }
    const message =
      verdict === "foreign-key"
        ? `this checkpoint is signed by the key ${String(event.kid)}, which is not trusted`
        : "this checkpoint's signature is not over what it says";
    this.#tell({ kind: verdict, ...place, chain: id, sequence, message });
    return "bad";
  }

  #remember({ heads = [], time }: Checkpoint): void {
    for (const head of heads) {
      const before = this.#heads.get(head.id);
      if (before === undefined || before.sequence <= head.sequence)
        this.#heads.set(head.id, { ...head, time });
    }
  }

  #checkHead({ id, session, sequence }: ChainHead): void {
    const chain = this.#chains.get(id);
    const length = chain?.length ?? 0;
    if (length > sequence) return;
    const place = { session, chain: id, sequence: length };
    const message =
      chain === undefined
        ? `a chain of ${sequence + 1} events is missing, which the gateway's own chain knows`
        : `the gateway's own chain knows of ${sequence + 1} events, and ${length} are there`;
    this.#tell({ kind: chain === undefined ? "removed" : "missing-end", ...place, message });
  }

  #noteUnsealed({ id, session, sealed, ended, length }: ChainCheck): void {
    if (ended || sealed === length - 1) return;
    const message =
      sealed < 0
        ? `nothing signed covers this chain of ${length} events: the gateway was killed, or has not signed it yet`
        : `nothing signed covers what is behind event ${sealed}: the gateway was killed, or has not signed it yet`;
    this.note({ kind: "not-sealed", session, chain: id, sequence: sealed, message });
  }

  /** A gateway that was killed may have written a refusal's body, and not the event that ends it: nobody is accused of that. */
  #noteLeft(): void {
    for (const { place, begun } of this.#bodies.left()) {
      const of = begun ? "an exchange without an end" : "an exchange of which no event is there";
      const message = `a body of ${of}: no digest covers it, since the gateway was killed, goes on with it, or never recorded it`;
      this.note({ kind: "unfinished", ...place, message });
    }
  }
}

function sessionOf(event: RecordedEvent): string | undefined {
  const session = "session" in event ? event.session : undefined;
  return session === "" ? undefined : session;
}
