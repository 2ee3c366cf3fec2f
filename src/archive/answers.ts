import { summarizeAnswer } from "../bigquery/answer.ts";
import { MAX_ANSWER_BYTES } from "../bigquery/answer-body.ts";
import type { BodyChunk, HeaderList } from "../recording/events.ts";
import type { JournalRecord } from "../recording/frame.ts";
import type { Answered, EndEvent } from "./columns.ts";
import { OpenExchanges } from "./open-exchanges.ts";
import type { Texts } from "./texts.ts";

/** Where a body that is not in memory can be read. */
export interface BodyPlace {
  readonly operation: string | undefined;
  /** The exchange's records, from blocks that are written for this when they are not yet. */
  readonly read: () => Iterable<JournalRecord>;
}

const NOTHING: Answered = { answer: undefined, message: undefined, columns: undefined };

/** Takes from answers' bodies what is searched and shown: jobs, counts, column names, errors. */
export class AnswerReader {
  readonly #texts: Texts;
  readonly #open = new OpenExchanges();

  constructor(texts: Texts) {
    this.#texts = texts;
  }

  begin(exchange: string, operation: string): void {
    this.#open.begin(exchange, operation);
  }

  chunk({ exchange, direction, bytes }: BodyChunk): void {
    if (direction === "response") this.#open.chunk(exchange, bytes);
  }

  /** What an exchange's answer tells. Only within a transaction. */
  end(event: EndEvent, place: BodyPlace): Answered {
    const known = this.#open.end(event.exchange);
    // The gateway's own answers tell nothing that the event does not.
    if (event.answeredBy === "gateway" || event.response.chunks === 0) return NOTHING;
    const operation = known?.operation ?? place.operation;
    if (operation === undefined) return NOTHING;
    const held = known?.chunks.length === event.response.chunks ? known.chunks : undefined;
    const chunks = held ?? beginningOf(place);
    const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    const whole = event.outcome === "complete" && body.length === event.response.bytes;
    const encoding = headerOf(event.response.headers, "content-encoding");
    const answer = summarizeAnswer(operation, event.status, encoding, body, whole);
    const message = this.#texts.idOf(answer?.error?.message);
    const columns = this.#texts.idOf(answer?.columns?.join(" "));
    return { answer, message, columns };
  }

  /** A batch is over. */
  renew(): void {
    this.#open.renew();
  }

  discard(): void {
    this.#open.clear();
  }
}

function beginningOf({ read }: BodyPlace): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (const record of read()) {
    // From topics a chunk may have come twice.
    if (record.kind !== "body" || record.chunk.direction !== "response" || record.chunk.offset !== bytes)
      continue;
    chunks.push(record.chunk.bytes);
    bytes += record.chunk.bytes.length;
    if (bytes > MAX_ANSWER_BYTES) break;
  }
  return chunks;
}

export function headerOf(headers: HeaderList, name: string): string | undefined {
  return headers.find(([each]) => each.toLowerCase() === name)?.[1];
}
