import type { PauseCause, Pauses } from "../metrics/pauses.ts";
import type { ExchangeRecording } from "../recording/recorder.ts";

/**
 * Notes for whom one exchange waits: what the agent or upstream take their time for is no time of the gateway's. On its main
 * way one wait follows another, from {@link begin} to {@link end}; a promise around each would cost as much as all the rest of this.
 */
export class Waits {
  readonly #pauses: Pauses;
  readonly #recording: ExchangeRecording;
  #cause: PauseCause | undefined;
  #began = 0;

  constructor(pauses: Pauses, recording: ExchangeRecording) {
    this.#pauses = pauses;
    this.#recording = recording;
  }

  /** What a request waits for before it goes on, and bytes of an answer before they do. */
  get request(): PauseCause {
    return this.#recording.waitsForKafka ? "kafka" : "journal";
  }

  get answer(): PauseCause {
    return this.#recording.pipelined ? "kafka" : "journal";
  }

  /** From now on this is waited for. */
  begin(cause: PauseCause): void {
    this.#cause = cause;
    this.#began = this.#pauses.begin(cause);
  }

  /** Nothing is waited for any more; nor when the exchange ended in the middle of a wait. */
  end(): void {
    const cause = this.#cause;
    if (cause === undefined) return;
    this.#cause = undefined;
    const milliseconds = this.#pauses.end(cause, this.#began);
    if (cause === "agent") this.#recording.waitedForAgent(milliseconds);
  }

  /** Until the agent sends more of its request: nothing is held up by that. */
  async forRequest<Result>(wait: Promise<Result>): Promise<Result> {
    const began = performance.now();
    try {
      return await wait;
    } finally {
      this.#recording.waitedForAgent(performance.now() - began);
    }
  }

  /** Beside the main way: until something is done that holds up bytes. */
  during<Result>(cause: PauseCause, wait: Promise<Result>): Promise<Result> {
    return this.#pauses.during(cause, wait);
  }
}
