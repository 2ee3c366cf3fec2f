import { chainOrigin } from "../../recording/chain.ts";
import type { ChainLink } from "../../recording/events.ts";
import type { Place, Problem, ProblemKind } from "./problem.ts";

/** An event as its chain sees it. */
export interface Linked {
  readonly link: ChainLink;
  /** Hexadecimal SHA-256 of its canonical JSON. */
  readonly hash: string;
  readonly place: Place;
  /**
   * Whether a signature vouches for it by itself: `good` and `bad` of checkpoints, `none` of others, which are vouched for by
   * the event behind them.
   */
  readonly signature: "good" | "bad" | "none";
  /** Whether its signature says that nothing follows. */
  readonly last: boolean;
}

/** With what a chain begins: its first event; the one behind an event that is gone, or `anywhere`. */
export type Beginning = "origin" | "anywhere" | { readonly sequence: number; readonly hash: string };

interface Standing extends Linked {
  /** Whether it was said already that it is not what was recorded. */
  blamed: boolean;
  /** What is wrong if this event is right; told when another vouches for it. */
  readonly held: Problem[];
  /** Whether it was vouched for. */
  vouched: boolean;
}

/** Events that were passed over; what follows them says what digest the last of them has. */
interface Missing {
  readonly from: number;
  readonly to: number;
  readonly hash: string;
}

/** Places that are remembered as missing; beyond them a chain is in tatters, and each is told at once. */
const MAX_MISSING = 1_000;
/** Events of one number that are kept until the next one tells which is right. */
const MAX_RIVALS = 8;

/** Follows one chain's events, and tells what does not fit. Memory is bounded, whatever comes. */
export class ChainCheck {
  readonly session: string | undefined;
  readonly #tell: (problem: Problem) => void;
  #id: string;
  /** The number of the first event; undefined until the first one that comes tells. */
  #first: number | undefined;
  /** The digest of the event in front of the first one, where that is gone and known. */
  readonly #gone: string | undefined;
  /** The number that the next event should have. */
  #next = 0;
  /** Those that came with the number before it: more than one when something was added. */
  #standing: Standing[] = [];
  #missing: Missing[] = [];
  /** What an event said about the digest of the one before it was wrong: one of the two was changed. */
  #doubt: Standing | undefined;
  #sealed = -1;
  #ended = false;

  constructor(
    id: string,
    session: string | undefined,
    tell: (problem: Problem) => void,
    beginning: Beginning = "origin",
  ) {
    this.#id = id;
    this.session = session;
    this.#tell = tell;
    if (beginning === "anywhere") return;
    this.#first = this.#next = beginning === "origin" ? 0 : beginning.sequence + 1;
    if (beginning !== "origin") this.#gone = beginning.hash;
  }

  get id(): string {
    return this.#id;
  }

  /** Events that it should have, by the last of them, those that are gone from its beginning included. */
  get length(): number {
    return this.#next;
  }

  /** The number of the last event that a good signature covers; -1 when none is. */
  get sealed(): number {
    return this.#sealed;
  }

  /** Whether its last event is signed as that. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether an event goes on where this chain stands, though it names another. */
  continues({ link }: Linked): boolean {
    if (this.#standing.some(({ hash }) => hash === link.previous)) return true;
    return this.#next === 1 && link.sequence === 1 && this.#standing.every(({ blamed }) => blamed);
  }

  /** @returns what takes problems that are none if the event itself was changed. */
  add(event: Linked): (problem: Problem) => void {
    const standing: Standing = { ...event, blamed: false, held: [], vouched: event.signature === "good" };
    this.#place(standing);
    return (problem) => {
      if (standing.vouched) this.#tell(problem);
      else standing.held.push(problem);
    };
  }

  /** Nothing more comes. */
  end(): void {
    const signed = this.#standing.find(({ signature }) => signature === "good");
    const right = signed ?? this.#standing.find((each) => this.#clears(each)) ?? this.#standing[0];
    if (right !== undefined) {
      this.#settleDoubt(right, "this event, or the one behind it, was changed");
      for (const other of this.#standing) if (other !== right) this.#found("added", other, ADDED);
      this.#vouch(right);
    }
    for (const { from, to } of this.#missing) this.#removed(from, to);
    this.#missing = [];
    this.#standing = [];
  }

  #place(event: Standing): void {
    const { sequence, id } = event.link;
    if (this.#first === undefined) this.#first = this.#next = sequence;
    const before = this.#standing.find(({ hash }) => hash === event.link.previous);
    const elsewhere = id !== this.#id || sequence !== this.#next;
    if (before !== undefined && elsewhere && before !== event) {
      // It says itself what it follows, so that only its number or its chain can be wrong.
      if (sequence > this.#next || id !== this.#id || sequence === this.#next - 1) {
        this.#blame(event, "its place in the chain was changed");
        this.#follow(event, before);
        return;
      }
    }
    if (this.#next === this.#first && sequence > this.#first && this.#isOrigin(event)) {
      this.#blame(event, "its place in the chain was changed");
      this.#follow(event, undefined);
    } else if (id !== this.#id) {
      this.#id = id;
      this.#follow(event, undefined);
    } else if (sequence === this.#next) this.#follow(event, before);
    else if (sequence > this.#next) this.#skip(event);
    else this.#late(event);
  }

  #follow(event: Standing, before: Standing | undefined): void {
    if (this.#ended) this.#found("added", event, "it stands behind what is signed as the end of its chain");
    if (this.#next === this.#first) {
      if (!this.#isOrigin(event)) this.#blame(event, "it does not begin the chain that it names");
    } else if (before === undefined) this.#mismatch(event);
    else this.#match(before);
    this.#stand(event);
  }

  #isOrigin({ link }: Linked): boolean {
    if (this.#first === 0) return link.previous === chainOrigin(this.#id, this.session);
    return this.#gone === undefined || link.previous === this.#gone;
  }

  /** The event behind it vouches for one of those that stand. */
  #match(right: Standing): void {
    this.#settleDoubt(right, CHANGED);
    for (const other of this.#standing) if (other !== right) this.#found("added", other, ADDED);
    this.#vouch(right);
  }

  /** An event that is right tells whether the one in front of it is. */
  #settleDoubt(right: Standing, message: string): void {
    if (this.#doubt === undefined) return;
    if (this.#clears(right)) this.#vouch(this.#doubt);
    else this.#blame(this.#doubt, message);
    this.#doubt = undefined;
  }

  #clears({ link }: Standing): boolean {
    return this.#doubt?.hash === link.previous;
  }

  #vouch(event: Standing): void {
    event.vouched = true;
    if (!event.blamed) for (const problem of event.held) this.#tell(problem);
    event.held.length = 0;
  }

  /** None of those that stand is what the event says it follows. */
  #mismatch(event: Standing): void {
    const [first, ...rivals] = this.#standing;
    for (const rival of rivals) this.#found("added", rival, ADDED);
    if (first === undefined) return;
    const doubted = this.#doubt;
    this.#doubt = undefined;
    if (doubted !== undefined) {
      // Neither the event in front of it agrees with this one, nor the one behind it.
      this.#vouch(doubted);
      this.#blame(first, CHANGED);
    } else if (event.signature === "good") this.#blame(first, CHANGED);
    else if (event.signature === "none" && !first.blamed) this.#doubt = first;
    else this.#vouch(first);
  }

  #stand(event: Standing): void {
    this.#standing = [event];
    this.#next += 1;
    if (event.signature === "good") this.#seal(event);
  }

  #seal(event: Standing): void {
    this.#sealed = this.#next - 1;
    this.#ended = event.last;
  }

  #skip(event: Standing): void {
    const { sequence, previous } = event.link;
    if (this.#missing.length < MAX_MISSING) {
      this.#missing.push({ from: this.#next, to: sequence - 1, hash: previous });
    } else this.#removed(this.#next, sequence - 1);
    const [first, ...rivals] = this.#standing;
    for (const rival of rivals) this.#found("added", rival, ADDED);
    if (first !== undefined) {
      this.#settleDoubt(first, CHANGED);
      this.#vouch(first);
    }
    this.#next = sequence;
    this.#stand(event);
  }

  #late(event: Standing): void {
    const { sequence } = event.link;
    const at = this.#missing.findIndex(({ from, to }) => from <= sequence && sequence <= to);
    const gap = this.#missing[at];
    if (gap !== undefined) {
      this.#found("reordered", event, "it stands behind an event that came after it");
      if (sequence === gap.to && gap.hash !== event.hash) this.#blame(event, CHANGED);
      const left = { from: gap.from, to: sequence - 1, hash: event.link.previous };
      const right = { from: sequence + 1, to: gap.to, hash: gap.hash };
      this.#missing.splice(at, 1, ...[left, right].filter(({ from, to }) => from <= to));
      event.vouched = true;
      return;
    }
    const isRival = sequence === this.#next - 1 && this.#standing.every(({ hash }) => hash !== event.hash);
    if (isRival && this.#standing.length < MAX_RIVALS) {
      this.#standing.push(event);
      if (event.signature === "good") this.#seal(event);
    } else this.#found("added", event, "it is there twice");
  }

  #removed(from: number, to: number): void {
    const which = from === to ? `event ${from} is` : `events ${from} to ${to} are`;
    const place = { chain: this.#id, session: this.session, sequence: from };
    this.#tell({ kind: "removed", ...place, message: `${which} missing` });
  }

  #blame(event: Standing, message: string): void {
    if (!event.blamed) this.#found("changed", event, message);
    event.blamed = true;
  }

  #found(kind: ProblemKind, { place, link }: Linked, message: string): void {
    this.#tell({ kind, ...place, chain: this.#id, sequence: link.sequence, message });
  }
}

const CHANGED = "it is not what the event behind it was recorded with";
const ADDED = "the event behind it follows another one of this number";
