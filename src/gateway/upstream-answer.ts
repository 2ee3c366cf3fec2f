import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";

export interface AnswerHead {
  readonly status: number;
  readonly statusMessage: string;
  /** Flat list: name, value, name, value … */
  readonly headers: readonly string[];
}

/** Body chunks that have come since the last look, and whether they are the last. */
export interface AnswerPart {
  readonly chunks: readonly Buffer[];
  readonly last: boolean;
}

/** Bytes held of a body that the agent has not taken; from there on upstream is paused. */
const WINDOW = 1024 * 1024;

/**
 * An answer as it arrives: its head, then parts of its body whenever the reader asks, in whatever pieces have come by
 * then. A small answer is there whole at the first look. A reader that does not ask pauses the connection.
 */
export class UpstreamAnswer implements Dispatcher.DispatchHandler {
  /** Rejects when no answer comes. */
  readonly head: Promise<AnswerHead>;
  #resolveHead!: (head: AnswerHead) => void;
  #rejectHead!: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor() {
    this.head = new Promise((resolve, reject) => {
      this.#resolveHead = resolve;
      this.#rejectHead = reject;
    });
    // Whoever aborts before looking at the head has the reason already.
    this.head.catch(() => undefined);
  }

  /**
   * The next part of the body.
   *
   * @throws when upstream broke off: what came before has been handed out, and is not the whole.
   */
  async next(): Promise<AnswerPart> {
    while (this.#chunks.length === 0 && !this.#ended && this.#error === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#chunks.length === 0 && this.#error !== undefined) throw this.#error;
    const part = { chunks: this.#chunks, last: this.#ended };
    this.#chunks = [];
    this.#bytes = 0;
    if (this.#controller?.paused) this.#controller.resume();
    return part;
  }

  /** Gives the answer up; upstream's connection is closed. */
  abort(reason: Error): void {
    this.#fail(reason);
    this.#controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#error !== undefined) controller.abort(this.#error);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: IncomingHttpHeaders,
    statusMessage = "",
  ): void {
    // 1xx are between the gateway and upstream.
    if (status < 200) return;
    this.#resolveHead({ status, statusMessage, headers: (controller.rawHeaders as Buffer[]).map(latin1) });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= WINDOW) controller.pause();
    this.#wakeUp();
  }

  onResponseEnd(): void {
    this.#ended = true;
    this.#wakeUp();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#ended || this.#error !== undefined) return;
    this.#error = error;
    this.#rejectHead(error);
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** Header bytes as Node's own parser gives them (RFC 9110, section 5.5: opaque above ASCII). */
function latin1(bytes: Buffer | string): string {
  return typeof bytes === "string" ? bytes : bytes.toString("latin1");
}
