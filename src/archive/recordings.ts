import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Direction } from "../recording/events.ts";
import type { JournalRecord } from "../recording/frame.ts";
import type { BlockReader } from "./blocks/reader.ts";
import { type ArchivedExchange, type ExchangeEvents, toExchange } from "./records/exchange.ts";
import type { Row } from "./records/row.ts";
import { NO_SESSION } from "./records/session.ts";

/** Exchanges read from the archive at once. */
const AT_A_TIME = 200;

const EXCHANGES = `SELECT x.*, t.text AS sql, m.text AS answer_message FROM exchanges x
  LEFT JOIN texts t ON t.id = x.sql_text LEFT JOIN texts m ON m.id = x.answer_text`;

/** What was recorded, put together again: exchanges of their rows and their records, records of the blocks that have them. */
export class Recordings {
  readonly #database: DatabaseSync;
  readonly #blocks: BlockReader;
  readonly #live: boolean;

  /** @param live whether a gateway runs on the data directory: without one, what has not ended is `incomplete`. */
  constructor(database: DatabaseSync, blocks: BlockReader, live: boolean) {
    this.#database = database;
    this.#blocks = blocks;
    this.#live = live;
  }

  exchange(id: string): ArchivedExchange | undefined {
    const row = this.#database.prepare(`${EXCHANGES} WHERE x.id = ?`).get(id);
    return row === undefined ? undefined : this.#toExchange(row);
  }

  /**
   * Exchanges `x` for which a condition holds, in the order they began. Some at a time: whoever reads for hours must not keep a
   * snapshot of the archive, and with it all of its log.
   */
  *exchanges(condition: string, ...values: SQLInputValue[]): Generator<ArchivedExchange> {
    const page = this.#database.prepare(
      `${EXCHANGES} WHERE ${condition} AND x.time >= ? AND (x.time > ? OR x.id > ?)
       ORDER BY x.time, x.id LIMIT ${AT_A_TIME}`,
    );
    for (let [time, id]: [number, string] = [Number.NEGATIVE_INFINITY, ""]; ; ) {
      const rows = page.all(...values, time, time, id);
      for (const row of rows) yield this.#toExchange(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < AT_A_TIME) return;
      [time, id] = [Number(last.time), String(last.id)];
    }
  }

  /** A body's chunks in their order; ends where one is missing. */
  *chunks(exchange: string, direction: Direction): Generator<JournalRecord & { kind: "body" }> {
    const row = this.#database
      .prepare("SELECT session, first_block, last_block FROM exchanges WHERE id = ?")
      .get(exchange);
    if (row === undefined) return;
    let next = 0;
    for (const record of this.#ofExchange(exchange, row)) {
      // From topics a chunk may have come twice.
      if (record.kind !== "body" || record.chunk.direction !== direction) continue;
      if (record.chunk.sequence !== next) continue;
      next += 1;
      yield record;
    }
  }

  /** A session's records. A refusal's body stands in front of its event: when it came nobody knew yet whose it is. */
  *inJournalOrder(session: string): Generator<JournalRecord> {
    for (const record of this.#blocks.records(session)) {
      if (record.kind === "event" && record.event.type === "exchange.denied")
        yield* this.#blocks.records(record.event.exchange);
      yield record;
    }
  }

  /** Likewise of what came from topics, in any order: bodies stand in front of their exchange's end. */
  *inToldOrder(session: string): Generator<JournalRecord> {
    for (const record of this.#blocks.records(session)) {
      if (record.kind === "body") continue;
      const { event } = record;
      if (event.type === "exchange.completed" || event.type === "exchange.denied") {
        for (const direction of ["request", "response"] as const)
          yield* this.chunks(event.exchange, direction);
      }
      yield record;
    }
  }

  #toExchange(row: Row): ArchivedExchange {
    let events: ExchangeEvents = {};
    for (const record of this.#ofExchange(String(row.id), row)) {
      if (record.kind !== "event") continue;
      const { event } = record;
      if (event.type === "exchange.requested") events = { ...events, requested: event };
      else if (event.type === "exchange.completed" || event.type === "exchange.denied")
        events = { ...events, end: event };
    }
    return toExchange(row, events, this.#live);
  }

  /** An exchange's own records, from the blocks between its beginning and its end. */
  *#ofExchange(exchange: string, row: Row): Generator<JournalRecord> {
    const scope = typeof row.session === "string" ? row.session : NO_SESSION;
    const first = Number(row.first_block ?? 0);
    const last = row.last_block === null ? undefined : Number(row.last_block);
    yield* this.#blocks.ofExchange(exchange, scope, first, last);
    yield* this.#blocks.ofExchange(exchange, exchange);
  }
}
