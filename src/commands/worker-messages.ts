import type { AddressInfo } from "node:net";
import type { Config } from "../config/schema.ts";
import type { SessionState } from "../identity/session-state.ts";
import type { SessionUpdate } from "../identity/sessions.ts";
import type { MetricsJson } from "../metrics/exposition.ts";
import type { RecordedEvent } from "../recording/events.ts";
import type { JournalState } from "../recording/journal.ts";
import type { SessionCount } from "../recording/session-counts.ts";

/** From the gateway's first process to a worker. */
export type ToWorker =
  | {
      readonly type: "start";
      readonly config: Config;
      readonly journal: string;
      readonly after: number;
    }
  | { readonly type: "trim"; readonly position: number }
  /** Up to where Kafka has acknowledged the journal; told when somebody waits for that. */
  | { readonly type: "acknowledged"; readonly position: number }
  | { readonly type: "flush" }
  /** What became known of sessions. */
  | { readonly type: "sessions"; readonly update: SessionUpdate }
  /** To be recorded, and answered by `noted` with the same number. */
  | { readonly type: "note"; readonly number: number; readonly event: RecordedEvent }
  /** Answered by `counted` with the same number. */
  | { readonly type: "count"; readonly number: number; readonly session: string }
  /** Answered by `scraped` with the same number. */
  | { readonly type: "scrape"; readonly number: number }
  /** Answered by `reloaded` with the same number, when it has started. */
  | { readonly type: "reload"; readonly number: number; readonly config: Config }
  | { readonly type: "drain" }
  | { readonly type: "close" };

/** From a worker to the gateway's first process. */
export type FromWorker =
  | { readonly type: "ready"; readonly proxy: AddressInfo }
  /** A sign of life: its event loop turns. */
  | { readonly type: "alive" }
  /** It could not start; the message is for a person. `given`: since what it was given is wrong. */
  | { readonly type: "failed"; readonly message: string; readonly given: boolean }
  /** How far the journal is written, whether it takes more, and how many bytes it holds. */
  | {
      readonly type: "journal";
      readonly position: number;
      readonly state: JournalState;
      readonly bytes: number;
    }
  | { readonly type: "flushed"; readonly position: number }
  /** Sessions that were in use, or are new. */
  | { readonly type: "seen"; readonly states: readonly SessionState[] }
  /** Without `failed`, it is durable. */
  | { readonly type: "noted"; readonly number: number; readonly failed?: string }
  | { readonly type: "scraped"; readonly number: number; readonly metrics: MetricsJson }
  | { readonly type: "counted"; readonly number: number; readonly count: SessionCount }
  /** Without `refused`, it was done. */
  | { readonly type: "reloaded"; readonly number: number; readonly refused?: string };

/** Tells the threads of this process a position that another process sent. */
export function publish(shared: SharedArrayBuffer, position: number): void {
  const published = new BigInt64Array(shared);
  Atomics.store(published, 0, BigInt(position));
  Atomics.notify(published, 0);
}
