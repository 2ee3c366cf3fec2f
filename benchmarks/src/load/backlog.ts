import { randomBytes } from "node:crypto";
import type { BodyChunk, ExchangeRequested } from "../../../src/recording/events.ts";

/** Answers that come side by side. */
const ANSWERS = 8;
/** Bytes of a chunk: what a gateway reads at a time at most. */
const CHUNK = 64 * 1024;
/** Milliseconds since the Unix epoch. */
const TIME = Date.UTC(2026, 0, 31, 12);

const BYTES = Array.from({ length: ANSWERS }, () => randomBytes(CHUNK));

/** The same in each run: they decide the partitions, and how many batches can be under way at a time. */
function exchangeId(answer: number): string {
  const time = TIME.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-00000000000${answer}`;
}

/** The requests that the chunks are answers to. */
export function backlogRequests(): ExchangeRequested[] {
  return Array.from({ length: ANSWERS }, (_, answer) => ({
    type: "exchange.requested",
    time: TIME,
    exchange: exchangeId(answer),
    session: "bench",
    user: "bench",
    source: { address: "127.0.0.1", port: 50_000 + answer },
    request: {
      method: "GET",
      authority: "bigquery.googleapis.com:443",
      target: "/bigquery/v2/projects/p/datasets/d/tables/t/data",
      httpVersion: "1.1",
      headers: [["Accept", "application/json"]],
    },
    operation: { name: "tabledata.list", project: "p", dataset: "d", table: "t" },
    decision: { effect: "allow", rule: "default", reason: "no policy" },
  }));
}

/** Makes the next chunks each time it is called, the answers in turn. */
export class BacklogChunks {
  #made = 0;

  /** @param bytes rounded down to whole chunks. */
  *take(bytes: number): Generator<BodyChunk> {
    for (const end = this.#made + Math.floor(bytes / CHUNK); this.#made < end; this.#made += 1) {
      const answer = this.#made % ANSWERS;
      const sequence = Math.floor(this.#made / ANSWERS);
      const chunk = BYTES[answer] ?? Buffer.alloc(CHUNK);
      const exchange = exchangeId(answer);
      yield { exchange, direction: "response", sequence, offset: sequence * CHUNK, bytes: chunk };
    }
  }
}
