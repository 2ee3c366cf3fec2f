import type { TopicRecord } from "../../../src/delivery/records/headers.ts";
import { TopicWriter, type WriterCheckpoint } from "../../../src/delivery/records/writer.ts";
import type { BodyChunk, RecordedEvent } from "../../../src/recording/events.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import type { Batch, Gap, Positioned } from "../../../src/recording/reader.ts";
import type { ExchangeParts } from "../../archive/support.ts";
import { frame } from "../../support/frames.ts";

export const SOURCE = "bqtape://gateway-1/0";

/** A journal in memory, with the positions that its frames would have in files. */
export class MemoryJournal {
  readonly records: Positioned[] = [];
  readonly gaps: Gap[] = [];
  #end = 0;

  get end(): number {
    return this.#end;
  }

  add(record: JournalRecord): this {
    const { length } = frame(record);
    this.records.push({ record, at: this.#end, next: this.#end + length });
    this.#end += length;
    return this;
  }

  events(...events: readonly RecordedEvent[]): this {
    for (const event of events) this.add({ kind: "event", event });
    return this;
  }

  chunk(chunk: BodyChunk): this {
    return this.add({ kind: "body", chunk });
  }

  gap(bytes: number, reason: Gap["reason"] = "damaged"): this {
    this.gaps.push({ from: this.#end, to: this.#end + bytes, reason });
    this.#end += bytes;
    return this;
  }

  /** A body in pieces of so many bytes. */
  body(exchange: string, direction: BodyChunk["direction"], bytes: Uint8Array, size = 256 * 1024): this {
    for (let offset = 0, sequence = 0; offset < bytes.length; offset += size, sequence += 1) {
      this.chunk({ exchange, direction, sequence, offset, bytes: bytes.subarray(offset, offset + size) });
    }
    return this;
  }

  exchange({ requested, completed, request, response }: ExchangeParts): this {
    this.events(requested);
    this.body(requested.exchange, "request", request);
    this.body(requested.exchange, "response", response);
    return this.events(completed);
  }

  /** The batch that a reader gives from here: so many records, or all. */
  batch(position: number, records = Number.POSITIVE_INFINITY): Batch {
    const found = this.records.filter(({ at }) => at >= position).slice(0, records);
    const all = found.at(-1)?.next === this.records.at(-1)?.next;
    const next = all ? this.#end : (found.at(-1)?.next ?? this.#end);
    const gaps = this.gaps.filter(({ from, to }) => from >= position && to <= next);
    return { records: found, gaps, next };
  }
}

/** All of a journal's records, as one writer makes them in one batch. */
export function writeAll(journal: MemoryJournal, from?: WriterCheckpoint): TopicRecord[] {
  const writer = new TopicWriter({ source: SOURCE, ...(from !== undefined && { from }) });
  return writer.write(journal.batch(writer.position));
}

export function eventOf({ value }: TopicRecord): Record<string, unknown> {
  return JSON.parse(value.toString()) as Record<string, unknown>;
}

export function ids(records: readonly TopicRecord[]): (string | undefined)[] {
  return records.map(({ headers }) => headers.ce_id);
}
