import type { IncomingHttpHeaders } from "node:http";
import type { Writable } from "node:stream";
import type { Dispatcher } from "undici";
import { Flow, type FlowBounds, type FlowPart } from "./flow.ts";
import { noteTurn, turnBegan } from "./turn.ts";
import type { AnswerHead, UpstreamAnswer } from "./upstream-answer.ts";

const DONE = Promise.resolve();

/** An answer over HTTP/1.1, from undici. */
export class RestAnswer implements UpstreamAnswer, Dispatcher.DispatchHandler {
  readonly body: Writable | undefined;
  trailers: readonly string[] = [];
  waited: number | undefined;
  readonly #flow: Flow;
  #sentAt: number | undefined;
  #head: AnswerHead | undefined;
  #headAwaited: PromiseWithResolvers<AnswerHead> | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #error: Error | undefined;

  constructor(bounds: FlowBounds, body?: Writable) {
    this.#flow = new Flow(
      { pause: () => this.#controller?.pause(), resume: () => this.#controller?.resume() },
      bounds,
    );
    this.body = body;
  }

  head(): Promise<AnswerHead> {
    if (this.#head !== undefined) return Promise.resolve(this.#head);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    this.#headAwaited = Promise.withResolvers();
    return this.#headAwaited.promise;
  }

  next(): FlowPart | Promise<FlowPart> {
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
    // An answer may come before all of an upload is out.
    this.#sentAt = performance.now();
    if (this.#error !== undefined) controller.abort(this.#error);
  }

  /** All of it is with the kernel. */
  onRequestSent(): void {
    this.#sentAt = performance.now();
    // undici has something left to do. A promise, as `queueMicrotask` costs ten of them.
    void DONE.then(noteTurn);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: IncomingHttpHeaders,
    statusMessage = "",
  ): void {
    // 1xx are between the gateway and upstream.
    if (status < 200) return;
    if (this.#sentAt !== undefined) this.waited = turnBegan() - this.#sentAt;
    this.#head = { status, statusMessage, headers: latin1(controller.rawHeaders) };
    this.#headAwaited?.resolve(this.#head);
    this.#headAwaited = undefined;
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
    this.#headAwaited?.reject(error);
    this.#flow.fail(error);
  }
}

/** Header bytes as Node's own parser gives them (RFC 9110, section 5.5: opaque above ASCII). */
function latin1(raw: Dispatcher.DispatchController["rawHeaders"]): readonly string[] {
  if (!Array.isArray(raw)) return [];
  return (
    inOnePiece(raw) ?? raw.map((bytes) => (typeof bytes === "string" ? bytes : bytes.toString("latin1")))
  );
}

/** A head that came at once lies in one buffer: to read it as one text and cut that takes half as long as a text for each piece. */
function inOnePiece(raw: readonly (string | Buffer)[]): string[] | undefined {
  const [first] = raw;
  const last = raw.at(-1);
  if (!Buffer.isBuffer(first) || !Buffer.isBuffer(last)) return undefined;
  const { buffer, byteOffset: start } = first;
  const end = last.byteOffset + last.length;
  const isWithin = (piece: string | Buffer): piece is Buffer =>
    Buffer.isBuffer(piece) &&
    piece.buffer === buffer &&
    piece.byteOffset >= start &&
    piece.byteOffset + piece.length <= end;
  const text = last.buffer === buffer ? Buffer.from(buffer, start, end - start).toString("latin1") : "";
  const pieces: string[] = [];
  for (const piece of raw) {
    if (!isWithin(piece)) return undefined;
    const at = piece.byteOffset - start;
    pieces.push(text.slice(at, at + piece.length));
  }
  return pieces;
}
