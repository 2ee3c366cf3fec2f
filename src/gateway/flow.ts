import type { ByteBudget } from "./byte-budget.ts";
import { SMALL_BODY, TimeoutError } from "./limits.ts";
import { Wait } from "./patience.ts";

/** Body chunks that have come since the last look, and whether they are the last. */
export interface FlowPart {
  readonly chunks: readonly Buffer[];
  readonly last: boolean;
}

/** Where a body's bytes come from: a request, a stream, a parser. */
export interface Source {
  pause(): unknown;
  resume(): unknown;
}

/** How much may be held of a body: by itself, and with all others. */
export interface FlowBounds {
  readonly bytes: number;
  readonly budget: ByteBudget;
}

/**
 * A body on its way through: chunks are pushed in as they come and taken out in whatever pieces have come by then, so a
 * small body is there whole at the first look. What is held (waiting, or taken and not dealt with yet) is bounded: a
 * reader that does not come back pauses the source.
 */
export class Flow {
  readonly #source: Source;
  readonly #bounds: FlowBounds;
  #chunks: Buffer[] = [];
  /** Bytes waiting, and bytes taken by the last look. */
  #queued = 0;
  #lent = 0;
  #state: "flowing" | "paused" | "ended" | "closed" = "flowing";
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(source: Source, bounds: FlowBounds) {
    this.#source = source;
    this.#bounds = bounds;
  }

  /** Whether it is the reader, not the source, that is waited for. */
  get paused(): boolean {
    return this.#state === "paused";
  }

  /** Whether the reader is in the middle: neither the end nor a failure has come. */
  get open(): boolean {
    return this.#error === undefined && this.#state !== "ended" && this.#state !== "closed";
  }

  push(chunk: Buffer): void {
    if (!this.open) return;
    this.#chunks.push(chunk);
    this.#queued += chunk.length;
    const { bytes, budget } = this.#bounds;
    budget.take(chunk.length);
    const held = this.#queued + this.#lent;
    if (this.#state === "flowing" && (held >= bytes || (held >= SMALL_BODY && budget.tight))) {
      this.#state = "paused";
      this.#source.pause();
    }
    this.#wakeUp();
  }

  end(): void {
    if (!this.open) return;
    this.#state = "ended";
    this.#wakeUp();
  }

  /** What came before is still handed out; then the error is thrown. */
  fail(error: Error): void {
    if (!this.open) return;
    this.#error = error;
    this.#wakeUp();
  }

  /**
   * The next part; the one before is dealt with by then. What has come already is handed out at once, without a promise.
   *
   * @param idle milliseconds to wait for it; absent: the source sees to that.
   * @throws (rejects) when the source broke off: what came before has been handed out, and is not the whole.
   */
  next(idle?: number): FlowPart | Promise<FlowPart> {
    const { budget } = this.#bounds;
    if (this.#lent > 0) budget.give(this.#lent);
    this.#lent = 0;
    if (this.#state === "paused" && this.#queued < SMALL_BODY) this.#resume();
    if (this.#chunks.length > 0 || this.#state === "ended") return this.#taken();
    return this.#more(idle);
  }

  #taken(): FlowPart {
    const part = { chunks: this.#chunks, last: this.#state === "ended" };
    this.#lent = this.#queued;
    this.#chunks = [];
    this.#queued = 0;
    return part;
  }

  /** Nobody reads on: what is held is let go, and what comes is dropped. */
  close(): void {
    if (this.#state === "closed") return;
    this.#bounds.budget.give(this.#queued + this.#lent);
    this.#queued = this.#lent = 0;
    this.#chunks = [];
    this.#state = "closed";
    this.#wakeUp();
  }

  #resume(): void {
    this.#state = "flowing";
    this.#source.resume();
  }

  async #more(idle: number | undefined): Promise<FlowPart> {
    const late = (): void => this.fail(new TimeoutError("nothing came for too long"));
    const wait = idle === undefined || !this.open ? undefined : new Wait(idle, late);
    while (this.#chunks.length === 0 && this.open) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    wait?.end();
    if (this.#chunks.length > 0 || this.#state === "ended") return this.#taken();
    throw this.#error ?? new Error("the body was given up");
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** The body of a message that has none. */
export const NO_PART: FlowPart = { chunks: [], last: true };
