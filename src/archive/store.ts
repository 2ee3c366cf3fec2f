import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { type AnswerSummary, summarizeAnswer } from "../bigquery/answer.ts";
import { MAX_ANSWER_BYTES } from "../bigquery/answer-body.ts";
import type {
  BodyChunk,
  Direction,
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  HeaderList,
  RecordedEvent,
  SessionEnded,
  SessionRenewed,
  SessionRevoked,
  SessionStarted,
} from "../recording/events.ts";
import type { Batch } from "../recording/reader.ts";
import {
  answerColumns,
  askedColumns,
  type Confirmed,
  confirmedColumns,
  endColumns,
  endOnlyColumns,
  type Place,
  placeColumns,
  pushValues,
  requestedColumns,
  runningColumns,
} from "./columns.ts";
import { OpenExchanges } from "./open-exchanges.ts";
import { openForWriting } from "./schema.ts";
import { prepareStatements, type Statements } from "./statements.ts";

/** How `bodies.direction` stands for a body's direction. */
export const DIRECTION = { request: 0, response: 1 } as const;

/** Sessions remembered as being in the archive, so that not every exchange has to ask. */
const MAX_KNOWN_SESSIONS = 10_000;

/**
 * Writes journal records into the archive. A batch and the journal's checkpoint are one transaction, so each record is in
 * the archive once in effect, whenever the process ends; to apply records again changes nothing.
 *
 * One writer at a time, in a worker or a command: calls are synchronous.
 */
export class ArchiveStore {
  readonly #database: DatabaseSync;
  readonly #do: Statements;
  readonly #open = new OpenExchanges();
  readonly #sessions = new Set<string>();
  /**
   * Exchanges of the batch that have not ended yet, and are not written yet: most end in the batch that they begin in, and
   * one insert costs half of an insert and an update that makes the row longer.
   */
  #begun = new Map<string, Begun>();

  /** @throws {ArchiveError} when the file cannot be an archive of this version. */
  constructor(file: string) {
    this.#database = openForWriting(file);
    this.#do = prepareStatements(this.#database);
  }

  /** Up to where a journal has been applied; 0 when never. */
  checkpoint(journal: string): number {
    return Number(this.#do.checkpoint.get(journal)?.position ?? 0);
  }

  /** Applies records of a journal, in order, and moves its checkpoint to the batch's `next`; all of it or nothing. */
  apply(journal: string, batch: Batch): void {
    this.#do.begin.run();
    try {
      for (const gap of batch.gaps) this.#do.gap.run(journal, gap.from, gap.to, gap.reason);
      for (const { record, at, next } of batch.records) {
        this.#orSkip({ journal, position: at }, next, (place) => {
          if (record.kind === "body") this.#body(record.chunk);
          else this.#event(record.event, place, next);
        });
      }
      this.#writeBegun();
      this.#do.moveCheckpoint.run(journal, batch.next);
      this.#do.commit.run();
      this.#open.renew();
    } catch (error) {
      this.#open.clear();
      this.#begun = new Map();
      this.#sessions.clear();
      // After some failures (a full disk) SQLite has rolled back by itself.
      if (this.#database.isTransaction) this.#do.rollback.run();
      throw error;
    }
  }

  /** What of a journal is still running and began before a position never ended: a later run has begun. */
  cutShort(journal: string, position: number): void {
    this.#do.cutShort.run(journal, position);
  }

  /** How many chunks of a body are in the archive. */
  chunks(exchange: string, direction: Direction): number {
    return Number(this.#do.countChunks.get(exchange, DIRECTION[direction])?.n ?? 0);
  }

  /** Makes what was applied survive the machine's end too, not only this process's. */
  sync(): void {
    // With NORMAL, commits leave the log to the system's cache. One commit with FULL syncs all of the log before it.
    this.#database.exec("PRAGMA synchronous = FULL");
    try {
      this.#database.exec("UPDATE checkpoints SET position = position");
    } finally {
      this.#database.exec("PRAGMA synchronous = NORMAL");
    }
  }

  /** Closes the file; its log is moved into it. */
  close(): void {
    this.#database.close();
  }

  /** A record that the tables do not take, such as one of a newer version, must not stop those behind it. */
  #orSkip(place: Place, next: number, write: (place: Place) => void): void {
    try {
      write(place);
    } catch (error) {
      if (!isFaultOfRecord(error)) throw error;
      this.#do.gap.run(place.journal, place.position, next, "unreadable");
    }
  }

  #event(event: RecordedEvent, place: Place, next: number): void {
    switch (event.type) {
      case "gateway.started":
        this.#writeBegun();
        this.#do.run.run(event.gateway, place.journal, event.version, event.time, event.truncatedBytes);
        this.#do.cutShort.run(place.journal, place.position);
        return;
      case "gateway.stopped":
        this.#do.stopRun.run(event.time, event.gateway);
        return;
      case "session.started":
        this.#session(event);
        return;
      case "session.renewed":
        this.#ofSession(event);
        this.#do.renewSession.run(
          event.time,
          event.principal.user,
          JSON.stringify(event.principal.groups),
          event.session,
        );
        return;
      case "session.ended":
      case "session.revoked":
        this.#sessionOver(event);
        return;
      case "identity.refused": {
        const { time, source, userAgent, reason, suppressed } = event;
        const { journal, position } = place;
        const { address, port } = source;
        this.#do.refusedIdentity.run(
          ...[journal, position, time, address, port, userAgent ?? null, reason, suppressed],
        );
        return;
      }
      case "exchange.requested":
        this.#requested(event, place, next);
        return;
      case "exchange.completed":
      case "exchange.denied":
        this.#ended(event, place);
        return;
      default:
        throw new TypeError("an event of a type that is not known");
    }
  }

  #sessionOver(event: SessionEnded | SessionRevoked): void {
    this.#ofSession(event);
    const revoked = event.type === "session.revoked";
    const by = revoked ? event.by.user : null;
    this.#do.endSession.run(revoked ? "revoked" : "ended", event.time, event.because, by, event.session);
  }

  /** Its beginning may be in another journal, and come later. */
  #ofSession({ session, time, principal, source }: SessionRenewed | SessionEnded | SessionRevoked): void {
    this.#do.bareSession.run(session, time, principal.user, source?.address ?? "", source?.port ?? 0);
  }

  #session(event: SessionStarted): void {
    const { session, time, principal, source, userAgent, agent, purpose, expiresAt } = event;
    this.#do.session.run(
      session,
      time,
      principal.user,
      principal.subject,
      JSON.stringify(principal.groups),
      source.address,
      source.port,
      userAgent ?? null,
      principal.issuer ?? null,
      agent ?? null,
      purpose ?? null,
      expiresAt ?? null,
    );
  }

  #requested(event: ExchangeRequested, place: Place, next: number): void {
    this.#open.begin(event.exchange, event.operation.name);
    if (!this.#sessions.has(event.session)) {
      const { session, time, user, source } = event;
      this.#do.bareSession.run(session, time, user, source.address, source.port);
      if (this.#sessions.size >= MAX_KNOWN_SESSIONS) this.#sessions.clear();
      this.#sessions.add(session);
    }
    this.#begun.set(event.exchange, { event, place, next });
  }

  #writeBegun(): void {
    for (const { event, place, next } of this.#begun.values()) {
      this.#orSkip(place, next, () => {
        const values = requestValues(event, place, event.operation);
        pushValues(values, runningColumns, undefined);
        this.#do.running.run(...values);
      });
    }
    this.#begun = new Map();
  }

  #body({ exchange, direction, sequence, offset, bytes }: BodyChunk): void {
    this.#do.body.run(exchange, DIRECTION[direction], sequence, offset, bytes);
    if (direction === "response") this.#open.chunk(exchange, bytes);
  }

  #ended(event: ExchangeCompleted | ExchangeDenied, place: Place): void {
    const answer = this.#answerOf(event);
    const begun = this.#begun.get(event.exchange);
    if (begun !== undefined) {
      this.#begun.delete(event.exchange);
      const { operation } = begun.event;
      const confirmed = {
        job: answer?.job ?? operation.job,
        location: answer?.location ?? operation.location,
      };
      const values = requestValues(begun.event, begun.place, confirmed);
      pushValues(values, endColumns, event);
      pushValues(values, answerColumns, answer);
      // Nothing is inserted when these records are applied again.
      if (this.#do.whole.run(...values).changes !== 0) return;
    }
    const values: SQLInputValue[] = [];
    pushValues(values, endColumns, event);
    pushValues(values, answerColumns, answer);
    pushValues(values, confirmedColumns, answer ?? {});
    values.push(event.exchange);
    if (this.#do.end.run(...values).changes !== 0) return;
    this.#endOnly(event, place);
    this.#do.end.run(...values);
  }

  #endOnly(event: ExchangeCompleted | ExchangeDenied, place: Place): void {
    const values: SQLInputValue[] = [];
    pushValues(values, endOnlyColumns, event);
    pushValues(values, placeColumns, place);
    const refused = event.type === "exchange.denied" ? event.refused : undefined;
    if (refused === undefined) {
      this.#do.endOnly.run(...values);
      return;
    }
    pushValues(values, askedColumns, refused);
    this.#do.refused.run(...values);
    if (event.session !== undefined) {
      const { address, port } = refused.source;
      this.#do.bareSession.run(event.session, event.time, refused.user ?? "", address, port);
    }
  }

  #answerOf(event: ExchangeCompleted | ExchangeDenied): AnswerSummary | undefined {
    const known = this.#open.end(event.exchange);
    // The gateway's own answers tell nothing that the event does not.
    if (event.answeredBy === "gateway" || event.response.chunks === 0) return undefined;
    const operation =
      known?.operation ??
      this.#begun.get(event.exchange)?.event.operation.name ??
      this.#do.operation.get(event.exchange)?.operation;
    if (typeof operation !== "string") return undefined;
    const held = known?.chunks.length === event.response.chunks ? known.chunks : undefined;
    const chunks = held ?? this.#beginningOf(event.exchange);
    const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    const whole = event.outcome === "complete" && body.length === event.response.bytes;
    return summarizeAnswer(
      operation,
      event.status,
      headerOf(event.response.headers, "content-encoding"),
      body,
      whole,
    );
  }

  #beginningOf(exchange: string): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (const row of this.#do.bodyChunks.iterate(exchange, DIRECTION.response)) {
      const chunk = row.bytes;
      if (!(chunk instanceof Uint8Array)) continue;
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) break;
    }
    return chunks;
  }
}

interface Begun {
  readonly event: ExchangeRequested;
  readonly place: Place;
  readonly next: number;
}

function requestValues(event: ExchangeRequested, place: Place, confirmed: Confirmed): SQLInputValue[] {
  const values: SQLInputValue[] = [];
  pushValues(values, requestedColumns, event);
  pushValues(values, placeColumns, place);
  pushValues(values, askedColumns, event);
  pushValues(values, confirmedColumns, confirmed);
  return values;
}

export function headerOf(headers: HeaderList, name: string): string | undefined {
  return headers.find(([each]) => each.toLowerCase() === name)?.[1];
}

const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISMATCH = 20;

/** Whether another record could fare better; if not, the database or the disk is what failed. */
function isFaultOfRecord(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!("errcode" in error)) return true;
  const code = Number(error.errcode) & 0xff;
  return code === SQLITE_TOOBIG || code === SQLITE_CONSTRAINT || code === SQLITE_MISMATCH;
}
