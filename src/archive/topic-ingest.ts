import type { TopicMessage } from "../delivery/records/read.ts";
import { recordedEvent } from "../delivery/records/recorded.ts";
import type { ExchangeCompleted, ExchangeDenied } from "../recording/events.ts";
import type { JournalRecord } from "../recording/frame.ts";
import type { Gap } from "../recording/reader.ts";
import type { ArchiveStore, Told } from "./store.ts";

export interface TopicIngestOptions {
  /** Told what is missing of an exchange that is kept all the same. */
  readonly onMissing: (message: string) => void;
  /** Milliseconds that an exchange's end waits for its bodies. Default: 60 000. */
  readonly patience?: number;
}

/** A message, and where it was read. */
export interface PlacedMessage {
  readonly message: TopicMessage;
  readonly offset: number;
}

/** An exchange's end that came before its bodies did. */
interface Held {
  readonly event: ExchangeCompleted | ExchangeDenied;
  readonly source: string;
  readonly sequence: number;
  readonly partition: string;
  readonly offset: number;
  readonly since: number;
}

/** Ends that wait at most. */
const MAX_HELD = 10_000;
const PATIENCE = 60_000;

/**
 * Puts what the topics tell into the archive, in whatever order partitions are read, and however often. Only the end of an
 * exchange waits, for its bodies: what an answer tells (rows, job, errors) is taken from all of it.
 */
export class TopicIngest {
  readonly #store: ArchiveStore;
  readonly #options: Required<TopicIngestOptions>;
  /** By exchange, the oldest first. */
  readonly #held = new Map<string, Held>();
  /** By partition: the offset behind the last message taken. */
  readonly #taken = new Map<string, number>();

  constructor(store: ArchiveStore, options: TopicIngestOptions) {
    this.#store = store;
    this.#options = { patience: PATIENCE, ...options };
  }

  /**
   * Applies messages of one partition, in order.
   *
   * @param next the offset behind the last record, be it a message or not.
   */
  take(partition: string, messages: readonly PlacedMessage[], next: number): void {
    const batches = new Batches();
    const touched = new Set<string>();
    for (const { message, offset } of messages) {
      if (message.kind === "body") {
        const { source, exchange, direction, sequence, offset: start, bytes, close } = message;
        if (close !== undefined) continue;
        const chunk = { exchange, direction, sequence, offset: start, bytes };
        batches.add(source, { kind: "body", chunk }, 0);
        touched.add(exchange);
      } else {
        this.#event(message, partition, offset, batches);
        if (message.subject !== undefined) touched.add(message.subject);
      }
    }
    this.#apply(batches);
    this.#taken.set(partition, next);
    for (const exchange of touched) this.#releaseIfWhole(exchange);
  }

  /** Up to where a partition has been dealt with for good; undefined when nothing of it has come. */
  done(partition: string): number | undefined {
    let done = this.#taken.get(partition);
    if (done === undefined) return undefined;
    for (const held of this.#held.values())
      if (held.partition === partition) done = Math.min(done, held.offset);
    return done;
  }

  /** Up to where a partition has been read. */
  taken(partition: string): number {
    return this.#taken.get(partition) ?? 0;
  }

  /** Keeps ends whose bodies did not come in time, and says what is missing. @param all those in time, too. */
  expire(all = false): void {
    const before = performance.now() - this.#options.patience;
    for (const [exchange, held] of this.#held) {
      if (!all && held.since > before && this.#held.size <= MAX_HELD) return;
      const missing = this.#missing(held);
      if (missing !== undefined) this.#options.onMissing(`exchange ${exchange}: ${missing}`);
      this.#release(exchange, held);
    }
  }

  #event(
    message: TopicMessage & { kind: "event" },
    partition: string,
    offset: number,
    batches: Batches,
  ): void {
    const { source, sequence } = message;
    const told = recordedEvent(message);
    switch (told.type) {
      case "recording.gap": {
        const { from, to, reason } = told;
        batches.gap(source, { from, to, reason: reason === "damaged" ? reason : "missing" });
        return;
      }
      case "exchange.incomplete":
        batches.cut(source, sequence);
        return;
      case "exchange.completed":
      case "exchange.denied": {
        const held = { event: told, source, sequence, partition, offset, since: performance.now() };
        if (!this.#held.has(told.exchange)) this.#held.set(told.exchange, held);
        batches.add(source, { kind: "event", event: told }, sequence, "record");
        return;
      }
      default:
        batches.add(source, { kind: "event", event: told }, sequence);
    }
  }

  #apply(batches: Batches): void {
    for (const [source, { told, gaps, cut }] of batches.bySource) {
      if (told.length > 0 || gaps.length > 0) this.#store.applyTold(source, told, gaps);
      if (cut > 0) this.#store.cutShort(source, cut);
    }
  }

  #releaseIfWhole(exchange: string): void {
    const held = this.#held.get(exchange);
    if (held !== undefined && this.#missing(held) === undefined) this.#release(exchange, held);
  }

  #release(exchange: string, { event, source, sequence }: Held): void {
    this.#held.delete(exchange);
    const batches = new Batches();
    batches.add(source, { kind: "event", event }, sequence, "row");
    this.#apply(batches);
  }

  #missing({ event }: Held): string | undefined {
    const missing = (["request", "response"] as const).flatMap((direction) => {
      const { chunks } = event[direction];
      const here = chunks === 0 ? 0 : this.#store.arrived(event.exchange, direction);
      return here >= chunks ? [] : [`${chunks - here} of ${chunks} chunks of its ${direction} are missing`];
    });
    return missing.length === 0 ? undefined : missing.join(", ");
  }
}

/** What one look at a partition brings, by source. */
class Batches {
  readonly bySource = new Map<string, { told: Told[]; gaps: Gap[]; cut: number }>();

  add(source: string, record: JournalRecord, at: number, part?: Told["part"]): void {
    const positioned = { record, at, next: at + 1 };
    this.#of(source).told.push({ positioned, ...(part !== undefined && { part }) });
  }

  gap(source: string, gap: Gap): void {
    this.#of(source).gaps.push(gap);
  }

  /** A run has begun at a position. */
  cut(source: string, position: number): void {
    const batch = this.#of(source);
    batch.cut = Math.max(batch.cut, position);
  }

  #of(source: string) {
    const batch = this.bySource.get(source) ?? { told: [], gaps: [], cut: 0 };
    this.bySource.set(source, batch);
    return batch;
  }
}
