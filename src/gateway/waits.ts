import type { Pauses } from "../metrics/pauses.ts";
import type { ExchangeRecording } from "../recording/recorder.ts";

/** Notes for whom one exchange waits: what the agent or upstream take their time for is no time of the gateway's. */
export class Waits {
  readonly #pauses: Pauses;
  readonly #recording: ExchangeRecording;

  constructor(pauses: Pauses, recording: ExchangeRecording) {
    this.#pauses = pauses;
    this.#recording = recording;
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

  /** Until the agent takes more of its answer. */
  forAgent<Result>(wait: Promise<Result>): Promise<Result> {
    return this.forRequest(this.#pauses.during("agent", wait));
  }

  /** Until upstream takes more of a request. */
  forUpstream<Result>(wait: Promise<Result>): Promise<Result> {
    return this.#pauses.during("upstream", wait);
  }

  /** Until a request, or more of it, is as safe as it has to be before it goes on. */
  forRequestRecorded<Result>(wait: Promise<Result>): Promise<Result> {
    return this.#pauses.during(this.#recording.waitsForKafka ? "kafka" : "journal", wait);
  }

  /** Likewise bytes of an answer. */
  forAnswerRecorded<Result>(wait: Promise<Result>): Promise<Result> {
    return this.#pauses.during(this.#recording.pipelined ? "kafka" : "journal", wait);
  }

  /** Until readers of the journal have let enough of it go. */
  forRoom<Result>(wait: Promise<Result>): Promise<Result> {
    return this.#pauses.during("journal", wait);
  }
}
