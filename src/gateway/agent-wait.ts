import type { Writable } from "node:stream";
import { AgentGone } from "./agent.ts";
import { Wait } from "./patience.ts";
import { Refusal } from "./refusal.ts";

/** The wait for an agent to take what was sent to it; one at a time. */
export class AgentWait {
  readonly #stream: Writable;
  readonly #idle: number;
  readonly #gone: () => boolean;
  #waiting: PromiseWithResolvers<void> | undefined;

  /**
   * @param idle milliseconds that it may take
   * @param gone whether nothing can be sent any more
   */
  constructor(stream: Writable, idle: number, gone: () => boolean) {
    this.#stream = stream;
    this.#idle = idle;
    this.#gone = gone;
  }

  /** @throws {AgentGone} when nothing can be sent any more; {Refusal} when it takes nothing for too long. */
  async until(event: "drain" | "finish"): Promise<void> {
    if (this.#gone()) throw new AgentGone();
    const waiting = Promise.withResolvers<void>();
    this.#waiting = waiting;
    this.#stream.once(event, waiting.resolve);
    const late = (): void =>
      waiting.reject(new Refusal(504, "backendError", "agent.timeout", "the agent takes nothing"));
    const wait = new Wait(this.#idle, late);
    try {
      await waiting.promise;
    } finally {
      wait.end();
      this.#stream.off(event, waiting.resolve);
    }
  }

  /** It has been taken, though no event says so. */
  end(): void {
    this.#waiting?.resolve();
  }

  fail(error: Error): void {
    this.#waiting?.reject(error);
  }
}
