import type { Direction } from "../../recording/events.ts";
import { type Asked, grownOld } from "./asked.ts";

/** How far a body has come: what is said of it when its exchange is cut short. */
export interface Progress {
  readonly chunks: number;
  readonly bytes: number;
}

/** An exchange that has not ended, as far as its end needs to know. */
export interface OpenExchange {
  readonly exchange: string;
  readonly session?: string;
  /** Position of its request in the journal. */
  readonly at: number;
  readonly asked: Asked;
  request: Progress;
  response: Progress;
}

/** The beginning of a response body, for what it tells about the work done. */
export interface Held {
  readonly chunks: readonly Buffer[];
  readonly bytes: number;
}

interface Young extends OpenExchange {
  readonly held: Holding;
}

interface Holding extends Held {
  readonly chunks: Buffer[];
  bytes: number;
  /** Of the chunks, how many are not views of somebody else's memory. */
  owned: number;
  isOver: boolean;
}

/** Bytes of journal behind the position that a restart reads again, instead of finding their contents in the checkpoint. */
export const LOOK_BACK = 16 * 1024 * 1024;

/** Exchanges that have been open for longer than {@link LOOK_BACK}; beyond these, the oldest are forgotten. */
export const MAX_OLD = 2_000;

/** Bytes of a response body that are held: job, sizes and errors are in the first of them, rows fill the rest. */
const MAX_HELD = 64 * 1024;

const NOTHING: Progress = { chunks: 0, bytes: 0 };

/**
 * The exchanges that are open at a position of the journal: a function of the journal up to there alone, so that what is
 * said of an exchange's end is the same whether or not the writer was started again in between.
 *
 * Memory is bounded by construction: response bytes are held of young exchanges alone, and with these they lie within
 * {@link LOOK_BACK} bytes of journal; of old ones a few kilobytes are kept, and there are {@link MAX_OLD} at most.
 */
export class OpenExchanges {
  /** Both in the order of their beginnings. */
  #young = new Map<string, Young>();
  #old: Map<string, OpenExchange>;
  /** What was begun to be held, or went on, since {@link settle}. */
  #borrowing: Holding[] = [];
  #ended = 0;

  /** @param old as {@link carried} gave them. */
  constructor(old: readonly OpenExchange[] = []) {
    this.#old = new Map(old.map((open) => [open.exchange, { ...open }]));
  }

  begin(exchange: string, session: string | undefined, at: number, asked: Asked): void {
    if (this.#young.has(exchange) || this.#old.has(exchange)) return;
    this.#young.set(exchange, {
      exchange,
      ...(session !== undefined && { session }),
      at,
      asked,
      request: NOTHING,
      response: NOTHING,
      held: { chunks: [], bytes: 0, owned: 0, isOver: false },
    });
  }

  /** Notes a piece of a body; of a response, its beginning is held: a view of the chunk's memory until {@link settle}. */
  chunk(exchange: string, direction: Direction, progress: Progress, bytes: Uint8Array): void {
    const young = this.#young.get(exchange);
    const open = young ?? this.#old.get(exchange);
    if (open === undefined) return;
    open[direction] = progress;
    if (young === undefined || direction === "request" || !tells(young.asked)) return;
    const room = MAX_HELD - young.held.bytes;
    if (room <= 0) return;
    const part = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, room));
    const { held } = young;
    if (held.chunks.length === held.owned) this.#borrowing.push(held);
    held.chunks.push(part);
    held.bytes += part.length;
  }

  /** Takes an exchange out; undefined when its beginning is not known. */
  end(exchange: string): { readonly open: OpenExchange; readonly held?: Held } | undefined {
    const young = this.#young.get(exchange);
    if (young !== undefined) {
      this.#young.delete(exchange);
      this.#ended += 1;
      young.held.isOver = true;
      return { open: young, held: young.held };
    }
    const open = this.#old.get(exchange);
    this.#old.delete(exchange);
    return open === undefined ? undefined : { open };
  }

  /** Takes all out, oldest first. */
  endAll(): OpenExchange[] {
    const all = [...this.#old.values(), ...this.#young.values()];
    this.#old = new Map();
    this.#young = new Map();
    this.#borrowing = [];
    return all;
  }

  /** Exchanges that began too far in front of the position grow old. */
  age(position: number): void {
    for (const [exchange, young] of this.#young) {
      if (young.at >= position - LOOK_BACK) return;
      const { held, ...open } = young;
      held.isOver = true;
      this.#young.delete(exchange);
      this.#old.set(exchange, { ...open, asked: grownOld(open.asked) });
      if (this.#old.size > MAX_OLD) this.#forgetOldest();
    }
  }

  /** Where the oldest young exchange begins: reading on from there finds all of them again. */
  get resume(): number | undefined {
    for (const { at } of this.#young.values()) return at;
    return undefined;
  }

  /** What cannot be found again that way. */
  carried(): OpenExchange[] {
    return [...this.#old.values()].map((open) => ({ ...open }));
  }

  /** At the end of a batch, whose memory is somebody else's: copies what is held on to. Most exchanges are over by then. */
  settle(): void {
    for (const held of this.#borrowing) {
      if (held.isOver) continue;
      for (; held.owned < held.chunks.length; held.owned += 1)
        held.chunks[held.owned] = Buffer.from(held.chunks[held.owned] ?? "");
    }
    this.#borrowing = [];
    this.#renew();
  }

  /**
   * Moves to a new table, now and then: V8's hash tables point to the table that replaced them, so that what has gone
   * through one that changes all the time is kept alive from one collection to the next.
   */
  #renew(): void {
    if (this.#ended < this.#young.size) return;
    this.#ended = 0;
    this.#young = new Map(this.#young);
  }

  #forgetOldest(): void {
    for (const exchange of this.#old.keys()) {
      this.#old.delete(exchange);
      return;
    }
  }
}

/** Whether answers to an operation tell more than its event. */
function tells({ operation }: Asked): boolean {
  const name = operation?.name ?? "";
  return name !== "tunnel" && !name.startsWith("storage.") && !name.startsWith("oauth2.");
}
