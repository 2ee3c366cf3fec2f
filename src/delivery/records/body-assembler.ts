import { createHash, type Hash } from "node:crypto";
import type { Direction } from "./headers.ts";
import type { BodyClose, BodyMessage } from "./read.ts";

export interface BodyAssemblerOptions {
  /** Bytes held of chunks that came before others in front of them, and 512 for each. Default: 64 MiB. */
  readonly maxHeldBytes?: number;
  /** Bodies under way. Default: 10,000. */
  readonly maxOpen?: number;
  /** Bodies remembered as ended, so that what is delivered again does not open them again. Default: 100,000. */
  readonly maxEnded?: number;
}

export interface BodyName {
  readonly exchange: string;
  readonly direction: Direction;
}

/** From the first to in front of the last. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What has not come of a body. */
export interface Missing {
  /** Chunks by sequence, and their bytes, range for range. */
  readonly sequences: readonly Range[];
  readonly bytes: readonly Range[];
  /** Whether the closing record is missing; without it, chunks at the end may be missing too. */
  readonly close: boolean;
}

/**
 * - `sound`: length and digest are those that the gateway took;
 * - `unverified`: whole as far as it goes, but the gateway ended before it took a digest;
 * - `withheld`: kept out of the recording on purpose;
 * - `damaged`: the records do not fit together; `reason` says how.
 */
export type Verdict =
  | { readonly state: "sound" | "unverified" | "withheld" }
  | { readonly state: "damaged"; readonly reason: string };

/** What a record brought forth. */
export type BodyPart =
  /** The next bytes of a body, in order. */
  | (BodyName & { readonly kind: "bytes"; readonly offset: number; readonly bytes: Buffer })
  /** All of a body has come; `close` is absent of one that is damaged before its close. */
  | (BodyName & { readonly kind: "end"; readonly verdict: Verdict; readonly close?: BodyClose })
  /** It was dropped, for a bound or because it was asked for, with so much missing. */
  | (BodyName & { readonly kind: "given-up"; readonly missing: Missing });

interface OpenBody extends BodyName {
  /** What comes next. */
  sequence: number;
  offset: number;
  hash: Hash | undefined;
  readonly held: Map<number, BodyMessage>;
  close: BodyClose | undefined;
}

/**
 * Puts bodies together from their records, which may come more than once, in any order, and of many bodies at a time.
 * Bytes are handed on as soon as all in front of them have come, so that a body's size does not matter; what comes too
 * early is held, within a bound.
 */
export class BodyAssembler {
  readonly #options: Required<BodyAssemblerOptions>;
  readonly #open = new Map<string, OpenBody>();
  readonly #ended = new Set<string>();
  #held = 0;

  constructor(options: BodyAssemblerOptions = {}) {
    this.#options = { maxHeldBytes: 64 * 1024 * 1024, maxOpen: 10_000, maxEnded: 100_000, ...options };
  }

  /** Bytes that are held. */
  get heldBytes(): number {
    return this.#held;
  }

  add(message: BodyMessage): BodyPart[] {
    const key = keyOf(message);
    if (this.#ended.has(key)) return [];
    const body = this.#open.get(key) ?? this.#begin(key, message);
    if (message.close !== undefined) body.close ??= message.close;
    else if (message.sequence >= body.sequence && !body.held.has(message.sequence)) {
      // What has to wait must not keep a consumer's whole batch alive.
      const waits = message.sequence > body.sequence;
      body.held.set(message.sequence, waits ? { ...message, bytes: Buffer.from(message.bytes) } : message);
      this.#held += cost(message);
    }
    const parts: BodyPart[] = [];
    const verdict = this.#advance(body, parts) ?? verdictOf(body);
    if (verdict !== undefined) {
      this.#end(key, body);
      const { exchange, direction, close } = body;
      parts.push({ kind: "end", exchange, direction, verdict, ...(close !== undefined && { close }) });
    }
    this.#keepBounds(parts);
    return parts;
  }

  /** Bodies under way, with what has not come yet. */
  *open(): Generator<BodyName & { readonly missing: Missing }> {
    for (const body of this.#open.values()) {
      const { exchange, direction } = body;
      yield { exchange, direction, missing: missingOf(body) };
    }
  }

  /** Drops a body under way, and what is still to come of it; undefined when it is not. */
  giveUp(name: BodyName): BodyPart | undefined {
    const key = keyOf(name);
    const body = this.#open.get(key);
    if (body === undefined) return undefined;
    const { exchange, direction } = body;
    const missing = missingOf(body);
    this.#end(key, body);
    return { kind: "given-up", exchange, direction, missing };
  }

  #begin(key: string, { exchange, direction }: BodyName): OpenBody {
    const body: OpenBody = {
      exchange,
      direction,
      sequence: 0,
      offset: 0,
      hash: undefined,
      held: new Map(),
      close: undefined,
    };
    this.#open.set(key, body);
    return body;
  }

  /** Hands on what has its turn; says so when records do not fit together. */
  #advance(body: OpenBody, parts: BodyPart[]): Verdict | undefined {
    for (let next = body.held.get(body.sequence); next !== undefined; next = body.held.get(body.sequence)) {
      const { exchange, direction, sequence, offset, bytes } = next;
      if (offset !== body.offset) {
        return damaged(`chunk ${sequence} begins at byte ${offset}, where byte ${body.offset} is due`);
      }
      body.held.delete(sequence);
      this.#held -= cost(next);
      body.hash ??= createHash("sha256");
      body.hash.update(bytes);
      body.sequence += 1;
      body.offset += bytes.length;
      parts.push({ kind: "bytes", exchange, direction, offset, bytes });
    }
    return undefined;
  }

  #keepBounds(parts: BodyPart[]): void {
    const { maxHeldBytes, maxOpen } = this.#options;
    while (this.#held > maxHeldBytes || this.#open.size > maxOpen) {
      const full = this.#held > maxHeldBytes;
      const oldest = this.#open.values().find(({ held }) => !full || held.size > 0);
      const part = oldest === undefined ? undefined : this.giveUp(oldest);
      if (part === undefined) return;
      parts.push(part);
    }
  }

  #end(key: string, { held }: OpenBody): void {
    for (const message of held.values()) this.#held -= cost(message);
    this.#open.delete(key);
    this.#ended.add(key);
    if (this.#ended.size <= this.#options.maxEnded) return;
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest);
      return;
    }
  }
}

/** Bytes that a chunk takes while it is held, so that a great many small ones count too. */
function cost({ bytes }: BodyMessage): number {
  return bytes.length + HELD_OVERHEAD;
}

const HELD_OVERHEAD = 512;

/** Undefined while something is missing. */
function verdictOf({ sequence, offset, hash, held, close }: OpenBody): Verdict | undefined {
  if (close === undefined) return undefined;
  const beyond = Math.max(sequence, ...[...held.keys()].map((each) => each + 1));
  if (beyond > close.chunks) return damaged(`${beyond} chunks came of ${close.chunks}`);
  if (sequence < close.chunks) return undefined;
  if (close.withheld) return { state: "withheld" };
  if (offset !== close.length) return damaged(`the chunks have ${offset} bytes of ${close.length}`);
  if (close.sha256 === undefined) return { state: "unverified" };
  const sha256 = (hash ?? createHash("sha256")).digest("hex");
  return sha256 === close.sha256 ? { state: "sound" } : damaged(`the chunks' SHA-256 is ${sha256}`);
}

function damaged(reason: string): Verdict {
  return { state: "damaged", reason };
}

function missingOf({ sequence, offset, held, close }: OpenBody): Missing {
  const sequences: Range[] = [];
  const bytes: Range[] = [];
  let next = { sequence, offset };
  const gapUpTo = (to: { readonly sequence: number; readonly offset: number }): void => {
    if (to.sequence <= next.sequence) return;
    sequences.push({ from: next.sequence, to: to.sequence });
    bytes.push({ from: next.offset, to: to.offset });
  };
  for (const chunk of [...held.values()].sort((a, b) => a.sequence - b.sequence)) {
    gapUpTo(chunk);
    next = { sequence: chunk.sequence + 1, offset: chunk.offset + chunk.bytes.length };
  }
  if (close !== undefined) gapUpTo({ sequence: close.chunks, offset: close.length });
  return { sequences, bytes, close: close === undefined };
}

function keyOf({ exchange, direction }: BodyName): string {
  return `${exchange}/${direction}`;
}
