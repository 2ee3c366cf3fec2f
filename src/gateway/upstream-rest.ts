import type { IncomingHttpHeaders } from "node:http";
import type { Writable } from "node:stream";
import type { Dispatcher } from "undici";
import { Flow, type FlowBounds, type FlowPart } from "./flow.ts";
import type { AnswerHead, UpstreamAnswer } from "./upstream-answer.ts";

/** An answer over HTTP/1.1, from undici. */
export class RestAnswer implements UpstreamAnswer, Dispatcher.DispatchHandler {
  readonly head: Promise<AnswerHead>;
  readonly body: Writable | undefined;
  trailers: readonly string[] = [];
  readonly #flow: Flow;
  #resolveHead!: (head: AnswerHead) => void;
  #rejectHead!: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #error: Error | undefined;

  constructor(bounds: FlowBounds, body?: Writable) {
    this.#flow = new Flow(
      { pause: () => this.#controller?.pause(), resume: () => this.#controller?.resume() },
      bounds,
    );
    this.body = body;
    this.head = new Promise((resolve, reject) => {
      this.#resolveHead = resolve;
      this.#rejectHead = reject;
    });
    // Whoever aborts before looking at the head has the reason already.
    this.head.catch(() => undefined);
  }

  next(): Promise<FlowPart> {
    // undici times the waiting.
    return this.#flow.next();
  }

  abort(reason: Error): void {
    const ended = !this.#flow.open;
    this.#fail(reason);
    this.#flow.close();
    if (!ended) this.#controller?.abort(reason);
    this.body?.destroy();
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
    this.#resolveHead({ status, statusMessage, headers: latin1(controller.rawHeaders) });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#flow.push(chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (controller.rawTrailers) this.trailers = latin1(controller.rawTrailers);
    this.#flow.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#rejectHead(error);
    this.#flow.fail(error);
  }
}

/** Header bytes as Node's own parser gives them (RFC 9110, section 5.5: opaque above ASCII). */
function latin1(raw: Dispatcher.DispatchController["rawHeaders"]): readonly string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((bytes) => (typeof bytes === "string" ? bytes : bytes.toString("latin1")));
}
