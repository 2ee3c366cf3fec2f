import type { IncomingHttpHeaders } from "node:http";
import type { FlowPart } from "./flow.ts";

/** The agent went away before it had the answer. */
export class AgentGone extends Error {
  override readonly name = "AgentGone";

  constructor(options?: ErrorOptions) {
    super("the agent closed its connection", options);
  }
}

/** A request as the agent sent it, whichever protocol it came in. */
export interface AgentRequest {
  readonly method: string;
  /** In origin form (RFC 9112, section 3.2.1). */
  readonly target: string;
  /** `Host`, or `:authority`; `undefined` when there is none, or more than one and they differ. */
  readonly host: string | undefined;
  readonly httpVersion: string;
  /** Flat list: name, value, name, value …, without pseudo-headers. */
  readonly rawHeaders: readonly string[];
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders;
  /** Whether it is gRPC, by content type: REST comes over HTTP/2 too. */
  readonly grpc: boolean;
}

/**
 * The agent's side of one exchange. What is written is sent as fast as the agent takes it; {@link write} says when to
 * wait. Headers and trailers are flat lists.
 */
export interface AgentSide {
  readonly request: AgentRequest;
  /**
   * The next part of the request's body.
   *
   * @param idle milliseconds to wait for it
   * @throws when the agent broke off, or is silent for too long
   */
  nextPart(idle?: number): FlowPart | Promise<FlowPart>;
  /** Whether the answer's head was given. */
  readonly started: boolean;
  /** The status given; 0 before. */
  readonly status: number;
  /** Whether the agent can be sent nothing any more. */
  readonly gone: boolean;
  /** Calls back once when the agent leaves before its answer is complete. */
  onGone(listener: (() => void) | undefined): void;
  /** Gives the head. HTTP/1.1 holds it back until the first bytes of the body, so that a small answer is one write. */
  start(status: number, statusMessage: string, headers: readonly string[]): void;
  /** Whether more may be written at once; if not, await {@link drained}. */
  write(chunk: Buffer): boolean;
  end(chunk?: Buffer, trailers?: readonly string[]): void;
  /** @throws {AgentGone} */
  drained(): Promise<void>;
  /** Resolves when all has been sent. @throws {AgentGone} */
  finished(): Promise<void>;
  /** Whoever waits for the agent is told the error instead. */
  fail(error: Error): void;
  /** Sends a whole answer at once, and takes nothing more of this request. */
  answer(status: number, headers: readonly string[], body: Buffer): void;
  /** Breaks the exchange off, so that the agent cannot take what it has for a whole answer. */
  cut(): void;
  /** Lets go of what is held of the request. */
  close(): void;
}
