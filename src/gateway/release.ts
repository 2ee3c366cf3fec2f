import type { FlowBounds } from "./flow.ts";
import { SMALL_BODY } from "./limits.ts";
import { type AnswerRelay, handOver, startEarly } from "./tee.ts";

const DONE = Promise.resolve();

/** A piece of an answer that may be released when Kafka has acknowledged it. */
interface Part {
  readonly chunks: readonly Buffer[];
  readonly last: boolean;
  readonly bytes: number;
  readonly acknowledged: Promise<void>;
}

/**
 * Passes an answer on whose bytes are released only when Kafka has acknowledged them. To wait for each piece by itself would
 * take a round trip apiece; so upstream is read on while earlier pieces wait, as far as the exchange's bounds go.
 *
 * @throws as `relayAnswer` does.
 */
export async function relayAcknowledged(relay: AnswerRelay, bounds: FlowBounds): Promise<void> {
  startEarly(relay);
  relay.recording.enter("upstream");
  const window = new ReleaseWindow(bounds);
  void readOn(relay, window).catch((error: unknown) => window.fail(error));
  try {
    await release(relay, window);
  } catch (error) {
    window.fail(error);
    throw error;
  } finally {
    window.close();
  }
}

async function readOn(
  { answer, recording, interruption, waits, observe }: AnswerRelay,
  window: ReleaseWindow,
): Promise<void> {
  for (;;) {
    const next = answer.next();
    const { chunks, last } = next instanceof Promise ? await next : next;
    // Behind its end nothing of an exchange may be recorded.
    if (window.failed) return;
    let bytes = 0;
    for (const chunk of chunks) {
      bytes += chunk.length;
      recording.response(chunk);
      observe?.(chunk);
    }
    const acknowledged = bytes === 0 ? DONE : recording.responseRecorded();
    // It is looked at when its turn comes, which may be never.
    acknowledged.catch(() => undefined);
    window.put({ chunks, last, bytes, acknowledged });
    if (last) return recording.enter("release");
    await window.room();
    if (!recording.hasRoom) await waits.during("journal", interruption.race(recording.room()));
  }
}

async function release(relay: AnswerRelay, window: ReleaseWindow): Promise<void> {
  const { interruption, waits } = relay;
  for (;;) {
    const { chunks, last, bytes, acknowledged } = await interruption.race(window.take());
    waits.begin(waits.answer);
    await interruption.race(acknowledged);
    waits.end();
    const taken = handOver(relay, chunks, last);
    waits.begin("agent");
    await taken;
    // It has all: what is still to be done before the end holds up nobody.
    if (last) return;
    waits.end();
    window.released(bytes);
  }
}

/** Pieces between their reading and their release, in order, within a bound. */
class ReleaseWindow {
  readonly #bounds: FlowBounds;
  readonly #parts: Part[] = [];
  #held = 0;
  #failure: unknown;
  #changed = Promise.withResolvers<void>();

  constructor(bounds: FlowBounds) {
    this.#bounds = bounds;
  }

  put(part: Part): void {
    this.#parts.push(part);
    this.#held += part.bytes;
    this.#bounds.budget.take(part.bytes);
    this.#change();
  }

  /** The next piece. @throws what {@link fail} was told, when all that came before is taken. */
  async take(): Promise<Part> {
    for (;;) {
      const part = this.#parts.shift();
      if (part !== undefined) return part;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#changed.promise;
    }
  }

  /** A piece is with the agent. */
  released(bytes: number): void {
    this.#held -= bytes;
    this.#bounds.budget.give(bytes);
    this.#change();
  }

  /** Resolves when more may be read. A piece can be as large as all that may be held, so half of that is left for it. */
  async room(): Promise<void> {
    const { bytes, budget } = this.#bounds;
    while (this.#held >= bytes / 2 || (this.#held >= SMALL_BODY && budget.tight)) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#changed.promise;
    }
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** One of both sides cannot go on. */
  fail(failure: unknown): void {
    this.#failure ??= failure;
    this.#change();
  }

  /** Lets go of what is held. */
  close(): void {
    this.#parts.length = 0;
    this.#bounds.budget.give(this.#held);
    this.#held = 0;
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
