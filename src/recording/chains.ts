import { setImmediate } from "node:timers/promises";
import { Chain } from "./chain.ts";
import type { ChainHead, Checkpoint, RecordedEvent } from "./events.ts";
import type { Journal } from "./journal.ts";
import type { Signer } from "./keys/jwk.ts";

/*
 * How a recording is made tamper-evident. Each event carries the digest of the one before it in its chain; a chain has the
 * events that one process recorded of one session, or of none (the gateway's own). Each minute, when a session ends, and at
 * an orderly stop, chains are signed by checkpoints, which are events like any other. The gateway's own checkpoints list where
 * the chains of sessions stand, so that a session which disappears as a whole leaves a trace.
 *
 * A body's bytes are covered by the digest in the event that ends its exchange.
 */

/** Milliseconds between two rounds of checkpoints. */
const INTERVAL = 60_000;
/** Rounds without an event after which a chain is ended, so that nothing is kept of sessions that rest. */
const IDLE_ROUNDS = 15;
/** Milliseconds from a session's end to its last checkpoint: what the end cuts off is recorded by then. */
const SESSION_LINGER = 1_000;
/** Chains kept at most; beyond them, those that rested longest are ended, so many at a time. */
const MAX_CHAINS = 10_000;
const ENDED_AT_ONCE = MAX_CHAINS / 100;
/** Signatures of one turn of the event loop, at some 40 µs each: traffic waits for them. */
const SIGNED_AT_ONCE = 8;
/** Bytes of heads in one event; the topic of events takes 32 KiB. */
const MAX_HEADS_BYTES = 16 * 1024;

export interface ChainsOptions {
  readonly journal: Pick<Journal, "append" | "state">;
  readonly signer: Signer & { refresh?(): Promise<void> };
  /** Told when the signing key cannot be read anew; the one from before goes on. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds between two rounds of checkpoints. Default: a minute. */
  readonly interval?: number;
}

/** The chains of all that a process records. */
export class Chains {
  readonly #options: ChainsOptions;
  readonly #append: (json: string) => void;
  /** Changes with sessions, not with exchanges: V8's maps keep what went through them alive. */
  readonly #bySession = new Map<string, Chain>();
  /** Chains of sessions that have begun and not ended. */
  readonly #open = new Set<Chain>();
  readonly #own = new Chain(undefined, () => undefined);
  readonly #begun = (chain: Chain): void => this.#opened(chain);
  readonly #timer: NodeJS.Timeout;
  readonly #ending = new Set<NodeJS.Timeout>();
  /** Where chains stand that were signed since the gateway's own checkpoint. */
  #heads: ChainHead[] = [];
  #round = 0;
  #signing = false;
  #closed = false;

  constructor(options: ChainsOptions) {
    this.#options = options;
    const { journal, interval = INTERVAL } = options;
    this.#append = (json) => journal.append({ kind: "json", json });
    this.#timer = setInterval(() => void this.#signAll(), interval).unref();
  }

  /** The chain of a session; without one, the gateway's own. */
  of(session: string | undefined): Chain {
    if (session === undefined || session === "") return this.#own;
    let chain = this.#bySession.get(session);
    if (chain === undefined) {
      if (this.#bySession.size >= MAX_CHAINS) this.#endRested();
      chain = new Chain(session, this.#begun);
      this.#bySession.set(session, chain);
    }
    return chain;
  }

  /** @throws {JournalError} when it cannot be recorded. */
  add(chain: Chain, event: RecordedEvent): void {
    chain.add(event, this.#append, this.#round);
  }

  /** The session is over: its chain is ended when what is under way has been cut. */
  endSession(chain: Chain): void {
    if (chain.session === undefined) return;
    const timer = setTimeout(() => {
      this.#ending.delete(timer);
      if (this.#open.has(chain)) this.#end(chain, "session-end");
    }, SESSION_LINGER).unref();
    this.#ending.add(timer);
  }

  /** Ends all chains with their last checkpoints. Nothing is recorded behind them. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    for (const timer of this.#ending) clearTimeout(timer);
    for (const chain of [...this.#open]) this.#end(chain, "gateway-stop");
    this.#signOwn("gateway-stop");
  }

  async #signAll(): Promise<void> {
    // A round that is still under way is enough.
    if (this.#signing || this.#closed) return;
    this.#signing = true;
    try {
      await this.#options.signer.refresh?.().catch(this.#options.onError);
      this.#round += 1;
      let signed = 0;
      for (const chain of [...this.#open]) {
        if (this.#closed) return;
        if (!this.#open.has(chain)) continue;
        const idle = chain.rested(this.#round) > IDLE_ROUNDS;
        if (idle) this.#end(chain, "idle");
        else if (chain.isUnsigned) this.#sign(chain, { because: "interval", last: false });
        else continue;
        signed += 1;
        if (signed % SIGNED_AT_ONCE === 0) await setImmediate();
      }
      if (!this.#closed) this.#signOwn("interval");
    } finally {
      this.#signing = false;
    }
  }

  /** The gateway's own chain, in as many checkpoints as the heads of the others need. */
  #signOwn(because: "interval" | "gateway-stop"): void {
    const parts = inParts(this.#heads);
    const last = because === "gateway-stop";
    if (parts.length === 0 && this.#own.isUnsigned) parts.push([]);
    for (const [index, heads] of parts.entries()) {
      const fields = { because, last: last && index === parts.length - 1 };
      if (!this.#sign(this.#own, heads.length === 0 ? fields : { ...fields, heads })) return;
      this.#heads = this.#heads.slice(heads.length);
    }
  }

  #opened(chain: Chain): void {
    this.#open.add(chain);
    if (chain.session !== undefined && !this.#bySession.has(chain.session)) {
      this.#bySession.set(chain.session, chain);
    }
  }

  #end(chain: Chain, because: Checkpoint["because"]): void {
    if (!chain.isEmpty && !this.#sign(chain, { because, last: true })) return;
    chain.end();
    this.#open.delete(chain);
    if (chain.session !== undefined && this.#bySession.get(chain.session) === chain) {
      this.#bySession.delete(chain.session);
    }
  }

  /** What cannot be recorded now is signed by a later round. */
  #sign(chain: Chain, fields: Pick<Checkpoint, "because" | "last" | "heads">): boolean {
    const { journal, signer } = this.#options;
    if (journal.state !== "open" && journal.state !== "full") return false;
    chain.sign(fields, signer, this.#append);
    if (chain.session !== undefined) this.#heads.push(chain.head);
    return true;
  }

  #endRested(): void {
    const byRest = [...this.#bySession.values()].sort(
      (a, b) => b.rested(this.#round) - a.rested(this.#round),
    );
    for (const chain of byRest.slice(0, ENDED_AT_ONCE)) {
      if (this.#open.has(chain)) this.#end(chain, "idle");
      else if (chain.session !== undefined) this.#bySession.delete(chain.session);
    }
  }
}

/** Heads as they fit into one event each. */
function inParts(heads: readonly ChainHead[]): ChainHead[][] {
  const parts: ChainHead[][] = [];
  let left = 0;
  for (const head of heads) {
    const bytes = JSON.stringify(head).length * 3;
    if (bytes > left || parts.length === 0) {
      parts.push([]);
      left = MAX_HEADS_BYTES;
    }
    left -= bytes;
    parts.at(-1)?.push(head);
  }
  return parts;
}
