import { NO_SESSION } from "../records/session.ts";
import type { Notice, RetiredOwn } from "../retention/notices.ts";
import type { TrustedKeys } from "./trusted-keys.ts";

/** A notice as an archive keeps it. */
export interface SignedNotice {
  readonly content: string;
  readonly kid: unknown;
  readonly signature: unknown;
}

/** An event that is gone, and nothing between it and the next one of its chain. */
export type LastGone = RetiredOwn["chains"][number];

/** What need not be there. */
export interface Gone {
  /** Exchanges whose bodies need not. */
  readonly bodiesOf: ReadonlySet<string> | "all";
  /** Chains whose beginnings need not. `any`: each of them may begin anywhere. */
  readonly chains: ReadonlyMap<string, LastGone> | "any";
}

const NO_CHAINS: ReadonlyMap<string, LastGone> = new Map<string, LastGone>();
const BODIES: Gone = { bodiesOf: "all", chains: NO_CHAINS };
const ALL: Gone = { bodiesOf: "all", chains: "any" };

/** What was destroyed on purpose. Only signed notices say so: anybody could have taken away the rest. */
export class Destroyed {
  /** Those of which bodies are gone, or all that is not younger than this; milliseconds since the Unix epoch. */
  readonly #sessions = new Map<string, number | "bodies">();
  readonly #chains = new Map<string, LastGone>();
  readonly #exchanges = new Set<string>();
  #before = Number.NEGATIVE_INFINITY;

  constructor(notices: Iterable<SignedNotice>, keys: TrustedKeys) {
    for (const { content, kid, signature } of notices) {
      if (keys.check(kid, content, signature) === "good") this.#take(JSON.parse(content) as Notice);
    }
  }

  /** Of a session. */
  of(session: string): Gone | undefined {
    const what = this.#sessions.get(session);
    if (what === undefined) return undefined;
    return what === "bodies" ? BODIES : ALL;
  }

  /** Until when a session was retired as a whole, so that all of it may be gone; undefined when it never was. */
  retiredUntil(session: string): number | undefined {
    const what = this.#sessions.get(session);
    return what === "bodies" ? undefined : what;
  }

  /** Whether another says the same of a session. */
  agreesWith(other: Destroyed, session: string): boolean {
    return this.#sessions.get(session) === other.#sessions.get(session);
  }

  /** Of the gateways' own records. */
  get own(): Gone {
    return { bodiesOf: this.#exchanges, chains: this.#chains };
  }

  /** Of what gateways recorded of themselves, and is older than this, no rows need be there. */
  get ownBefore(): number {
    return this.#before;
  }

  #take(notice: Notice): void {
    if (notice.type === "forgotten") this.#add(notice.session, "bodies");
    else if (notice.what === "own") this.#takeOwn(notice);
    else for (const id of notice.ids) this.#add(id, notice.what === "sessions" ? notice.time : "bodies");
  }

  #add(session: string, what: number | "bodies"): void {
    const before = this.#sessions.get(session);
    if (typeof before !== "number" || (typeof what === "number" && what > before))
      this.#sessions.set(session, what);
  }

  #takeOwn({ before, chains, exchanges }: RetiredOwn): void {
    this.#before = Math.max(this.#before, before);
    for (const exchange of exchanges) this.#exchanges.add(exchange);
    for (const last of chains) {
      if ((this.#chains.get(last.id)?.sequence ?? -1) < last.sequence) this.#chains.set(last.id, last);
    }
  }
}

/** The notices that tell of a session, or of the gateways' own records; nothing is proven by this. */
export function* noticesOf(session: string, notices: Iterable<SignedNotice>): Generator<SignedNotice> {
  for (const signed of notices) {
    const notice = JSON.parse(signed.content) as Notice;
    if (tellsOf(notice, session)) yield signed;
  }
}

function tellsOf(notice: Notice, session: string): boolean {
  if (notice.type === "forgotten") return notice.session === session;
  return notice.what === "own" ? session === NO_SESSION : notice.ids.includes(session);
}
