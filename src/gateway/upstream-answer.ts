import type { Writable } from "node:stream";
import type { FlowPart } from "./flow.ts";

export interface AnswerHead {
  readonly status: number;
  readonly statusMessage: string;
  /** Flat list: name, value, name, value … */
  readonly headers: readonly string[];
  /** Nothing follows: gRPC's "Trailers-Only". */
  readonly last?: boolean;
}

/** An answer as it arrives from BigQuery, whichever protocol it speaks. */
export interface UpstreamAnswer {
  /**
   * Milliseconds from the request, as it left, to the first bytes of its answer; `undefined` where that is not known, or a connection
   * had to be made first.
   */
  readonly waited?: number | undefined;
  /** The head, asked for once. @throws (rejects) when no answer comes. */
  head(): Promise<AnswerHead>;
  /**
   * The next part of the body, in whatever pieces have come by then. Who does not ask pauses upstream.
   *
   * @throws (rejects) when upstream broke off: what came before has been handed out, and is not the whole.
   */
  next(): FlowPart | Promise<FlowPart>;
  /** Flat list; complete when the last part is there. */
  readonly trailers: readonly string[];
  /** Where the rest of a request goes that is sent while it comes. */
  readonly body: Writable | undefined;
  /** Gives the exchange up, in the middle or at its end: upstream is told, and what is held is let go. */
  abort(reason: Error): void;
}
