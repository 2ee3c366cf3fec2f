import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { BodyChunk, Direction, ExchangeRequested, RecordedEvent } from "../recording/events.ts";
import type { JournalRecord } from "../recording/frame.ts";
import { AnswerReader } from "./answers.ts";
import type { BlockReader } from "./blocks/reader.ts";
import type { BlockWriter } from "./blocks/writer.ts";
import {
  type Answered,
  answerColumns,
  type Confirmed,
  confirmedColumns,
  type EndEvent,
  type Ended,
  endColumns,
  endOnlyColumns,
  type Place,
  placeColumns,
  pushValues,
  requestedColumns,
  runningColumns,
  statementColumns,
} from "./columns.ts";
import type { Prepared } from "./prepared.ts";
import { NO_SESSION } from "./records/session.ts";
import { statementOf } from "./statement-of.ts";
import type { Tallies } from "./tallies.ts";
import { Texts } from "./texts.ts";

/** How `arrivals.direction` stands for a body's direction. */
const DIRECTION = { request: 0, response: 1 } as const;

/** Sessions remembered as being in the archive, so that not every exchange has to ask. */
const MAX_KNOWN_SESSIONS = 10_000;

/** What exchanges are written with. */
export interface RowTools {
  readonly database: DatabaseSync;
  readonly prepared: Prepared;
  readonly blocks: Pick<BlockWriter, "flush">;
  readonly reader: Pick<BlockReader, "ofExchange">;
  readonly tallies: Tallies;
}

/** An exchange that began in this batch and is not written yet. */
interface Begun {
  readonly event: ExchangeRequested;
  readonly place: Place;
  readonly statement: string | undefined;
}

/** Writes exchanges: their rows, their bodies into blocks, and what their sessions and statements come to. */
export class ExchangeRows {
  readonly #tools: RowTools;
  readonly #texts: Texts;
  readonly #answers: AnswerReader;
  /** Sessions that are in the archive. */
  #sessions = new Set<string>();
  /**
   * Exchanges of the batch that have not ended yet, and are not written yet: most end in the batch that they begin in, and
   * one insert costs half of an insert and an update that makes the row longer.
   */
  #begun = new Map<string, Begun>();

  constructor(tools: RowTools) {
    this.#tools = tools;
    this.#texts = new Texts(tools.database);
    this.#answers = new AnswerReader(this.#texts);
  }

  requested(event: ExchangeRequested, place: Place): void {
    const { exchange, session, operation } = event;
    const { prepared, tallies } = this.#tools;
    this.#answers.begin(exchange, operation.name);
    this.#ensureSession(event);
    const statement = statementOf(prepared, event, this.#begun.values());
    this.#begun.set(exchange, { event, place, statement });
    const tally = tallies.of(session);
    tally.exchanges += 1;
    tally.statements += statement === exchange ? 1 : 0;
    tally.lastActivity = Math.max(tally.lastActivity, event.time);
  }

  body(chunk: BodyChunk): void {
    this.#answers.chunk(chunk);
  }

  /** Whose key seals an exchange's bodies: its session's, or its own while it is not known whose it is. */
  scopeOf(exchange: string): string {
    const begun = this.#begun.get(exchange);
    if (begun !== undefined) return begun.event.session;
    const row = this.#tools.prepared.state.get(exchange);
    return row === undefined ? exchange : (text(row.session) ?? NO_SESSION);
  }

  ended(event: EndEvent, place: Place): void {
    const { exchange } = event;
    const { block } = place;
    const { tallies, prepared } = this.#tools;
    const begun = this.#begun.get(exchange);
    const row = begun === undefined ? prepared.state.get(exchange) : undefined;
    const scope = begun?.event.session ?? event.session ?? text(row?.session) ?? NO_SESSION;
    const answered = this.#answers.end(event, {
      operation: begun?.event.operation.name ?? text(row?.operation),
      read: () => this.#written(exchange, scope, begun?.place.block ?? Number(row?.first_block ?? 0)),
    });
    const statement = begun?.statement ?? text(row?.statement);
    if (begun === undefined) {
      if (row === undefined) this.#endOnly(event, place);
      this.#update(event, block, answered, statement === exchange);
    } else {
      this.#begun.delete(exchange);
      this.#insert(begun, event, block, answered);
    }
    if (statement !== undefined && statement !== exchange) this.#addToStatement(statement, event, answered);
    prepared.forgetArrivals.run(exchange);
    if (scope === NO_SESSION) return;
    const tally = tallies.of(scope);
    if (begun === undefined && row === undefined) tally.exchanges += 1;
    if (row?.outcome === "incomplete") tally.incomplete -= 1;
    tally.ended += 1;
    tally.denied += event.outcome === "denied" ? 1 : 0;
    tally.bytes += event.request.bytes + event.response.bytes;
    tally.lastActivity = Math.max(tally.lastActivity, event.time);
  }

  /** What of a journal is still running and began before a position never ended: a later run has begun. */
  cutShort(journal: string, position: number): void {
    const { prepared, tallies } = this.#tools;
    this.writeBegun();
    for (const { session, exchanges } of prepared.leftOpen.all(journal, position)) {
      if (typeof session === "string") tallies.of(session).incomplete += Number(exchanges);
    }
    prepared.cutShort.run(journal, position);
  }

  /** Notes a chunk that came from topics, where it may come behind its exchange's end. */
  arrive({ exchange, direction, sequence }: BodyChunk, block: number): void {
    this.#tools.prepared.arrive.run(exchange, DIRECTION[direction], sequence + 1);
    this.#tools.prepared.extend.run(block, exchange);
  }

  /** How many chunks of a body have come from topics, of an exchange that has not ended. */
  arrived(exchange: string, direction: Direction): number {
    return Number(this.#tools.prepared.arrived.get(exchange, DIRECTION[direction])?.chunks ?? 0);
  }

  /** Whether a chunk that comes from topics has come before. */
  hasArrived({ exchange, direction, sequence }: BodyChunk): boolean {
    return sequence < this.arrived(exchange, direction) || this.#stateOf(exchange) === "ended";
  }

  /** Whether an event that comes from topics is in the rows. */
  isKnown(event: RecordedEvent): boolean {
    switch (event.type) {
      case "exchange.requested":
        return this.#stateOf(event.exchange) !== undefined;
      case "exchange.completed":
      case "exchange.denied":
        return this.#stateOf(event.exchange) === "ended";
      default:
        return false;
    }
  }

  writeBegun(): void {
    for (const begun of this.#begun.values()) {
      const values = this.#requestValues(begun, begun.event.operation);
      pushValues(values, runningColumns, undefined);
      this.#tools.prepared.running.run(...values);
    }
    if (this.#begun.size > 0) this.#begun = new Map();
  }

  /** A batch is in the archive. */
  renew(): void {
    this.#answers.renew();
  }

  /** Sessions and texts may have been removed. */
  distrust(): void {
    this.#sessions = new Set();
    this.#texts.discard();
  }

  /** The transaction was rolled back, or others have changed the archive meanwhile. */
  discard(): void {
    this.#begun = new Map();
    this.distrust();
    this.#answers.discard();
  }

  #insert(begun: Begun, event: EndEvent, block: number, answered: Answered): void {
    const { statement } = begun;
    const { operation, exchange } = begun.event;
    const { answer } = answered;
    const values = this.#requestValues(begun, {
      job: answer?.job ?? operation.job,
      location: answer?.location ?? operation.location,
    });
    pushValues(values, endColumns, { event, block });
    pushValues(values, answerColumns, answered);
    pushStatement(values, statement === exchange ? { event, block, ...answered } : undefined);
    this.#tools.prepared.whole.run(...values);
  }

  #update(event: EndEvent, block: number, answered: Answered, begins: boolean): void {
    const values: SQLInputValue[] = [];
    pushValues(values, endColumns, { event, block });
    pushValues(values, answerColumns, answered);
    pushStatement(values, begins ? { event, block, ...answered } : undefined);
    pushValues(values, confirmedColumns, answered.answer ?? {});
    this.#tools.prepared.end.run(...values, event.exchange);
  }

  #endOnly(event: EndEvent, place: Place): void {
    const values: SQLInputValue[] = [];
    pushValues(values, endOnlyColumns, event);
    pushValues(values, placeColumns, place);
    this.#tools.prepared.endOnly.run(...values);
    if (event.session === undefined) return;
    const refused = event.type === "exchange.denied" ? event.refused : undefined;
    const { session, time } = event;
    const source = refused?.source ?? { address: "", port: 0 };
    this.#ensureSession({ session, time, user: refused?.user ?? "", source });
  }

  #addToStatement(statement: string, event: EndEvent, { answer, message, columns }: Answered): void {
    const flag = (value: boolean | undefined) => (value === undefined ? null : Number(value));
    this.#tools.prepared.addToStatement.run(
      ...[statement, answer?.rows ?? 0, event.response.bytes, event.time],
      ...[answer?.totalRows ?? null, answer?.statementType ?? null, answer?.totalBytesProcessed ?? null],
      ...[answer?.dmlAffectedRows ?? null, flag(answer?.cacheHit), flag(answer?.jobComplete)],
      ...[answer?.error?.reason ?? null, message ?? null, columns ?? null, answer?.resultTable ?? null],
    );
  }

  #requestValues({ event, place, statement }: Begun, confirmed: Confirmed): SQLInputValue[] {
    const values: SQLInputValue[] = [];
    const sql = this.#texts.idOf(event.operation.sql);
    pushValues(values, requestedColumns, { event, sql, statement });
    pushValues(values, placeColumns, place);
    pushValues(values, confirmedColumns, confirmed);
    return values;
  }

  #ensureSession(of: Pick<ExchangeRequested, "session" | "time" | "user" | "source">): void {
    const { session, time, user, source } = of;
    if (this.#sessions.has(session)) return;
    this.#tools.prepared.bareSession.run(session, time, user, source.address, source.port);
    if (this.#sessions.size >= MAX_KNOWN_SESSIONS) this.#sessions = new Set();
    this.#sessions.add(session);
  }

  #stateOf(exchange: string): "begun" | "ended" | undefined {
    if (this.#begun.has(exchange)) return "begun";
    const row = this.#tools.prepared.state.get(exchange);
    if (row === undefined) return undefined;
    return row.outcome === "running" || row.outcome === "incomplete" ? "begun" : "ended";
  }

  /** An exchange's records, of which some may be in blocks that are not written yet. */
  *#written(exchange: string, scope: string, first: number): Generator<JournalRecord> {
    const { blocks, reader } = this.#tools;
    blocks.flush();
    yield* reader.ofExchange(exchange, scope, first);
    yield* reader.ofExchange(exchange, exchange);
  }
}

/** @param whole absent of an exchange that began no statement. */
function pushStatement(into: SQLInputValue[], whole: (Ended & Answered) | undefined): void {
  if (whole === undefined) for (const _ of statementColumns) into.push(null);
  else pushValues(into, statementColumns, whole);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
