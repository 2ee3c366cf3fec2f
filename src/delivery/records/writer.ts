import { recordHash } from "../../recording/chain.ts";
import type {
  BodyChunk,
  Checkpoint,
  ExchangeRequested,
  GatewayStarted,
  GatewayStopped,
  IdentityRefused,
  RecordedEvent,
} from "../../recording/events.ts";
import type { Batch, Positioned } from "../../recording/reader.ts";
import { eventJson } from "../../recording/serialize.ts";
import { askedOf, askedOfRefused, BOUNDS } from "./asked.ts";
import { beginning, chunkRecord, closingRecord } from "./body-records.ts";
import { answerOf, closings, type EndEvent, endName, endOf } from "./ends.ts";
import { beginId, endId, eventRecord } from "./event-records.ts";
import type { EventName, TopicRecord } from "./headers.ts";
import {
  type Context,
  checkpointEvent,
  type End,
  exchangeEvent,
  gapEvent,
  gatewayEvent,
  type LostRecords,
  type Run,
  refusedEvent,
  type SessionEvent,
  sessionEvent,
} from "./ocsf.ts";
import { type OpenExchange, OpenExchanges } from "./open-exchanges.ts";
import { type KnownSession, Sessions } from "./sessions.ts";
import { short } from "./text.ts";

/**
 * Where a writer stands in a journal, and what it needs to go on from there; JSON. A journal may be trimmed up to
 * `resume`, not further.
 */
export interface WriterCheckpoint {
  /** Records before it have been made. */
  readonly position: number;
  /** Where reading begins after a restart; what lies between it and `position` is read again, but not made again. */
  readonly resume: number;
  readonly run?: Run;
  readonly sessions: readonly KnownSession[];
  /** Exchanges that began before `resume` and are open. */
  readonly open: readonly OpenExchange[];
}

/** For a journal whose beginning is gone already, and was never to be delivered. */
export function startingAt(position: number): WriterCheckpoint {
  return { position, resume: position, sessions: [], open: [] };
}

export interface WriterOptions {
  /** The gateway instance, `ce_source`: a URI reference, one for each journal, and the same whenever it is read. */
  readonly source: string;
  /** Where an earlier writer of the same journal stood, or {@link startingAt}. Default: at its beginning. */
  readonly from?: WriterCheckpoint;
}

/**
 * Makes the topics' records of a journal's. What it makes of a record is a function of the journal up to that record
 * alone: in whichever batches it is read, and wherever reading was broken off and taken up again from a checkpoint, the
 * same journal gives the same records, byte for byte, with the same `ce_id`s.
 *
 * Memory is bounded, see {@link OpenExchanges}. It does no I/O.
 */
export class TopicWriter {
  readonly #source: string;
  readonly #open: OpenExchanges;
  readonly #sessions: Sessions;
  /** Where an earlier writer stood: records in front of it were made before. */
  readonly #from: WriterCheckpoint | undefined;
  /** Gaps that are told with the next record, which gives them their time. */
  #gaps: LostRecords[] = [];
  #run: Run | undefined;
  #position: number;

  constructor({ source, from }: WriterOptions) {
    this.#source = short(source, BOUNDS.name);
    this.#open = new OpenExchanges(from?.open);
    this.#sessions = new Sessions(from?.sessions);
    this.#run = from?.run;
    this.#from = from;
    this.#position = from?.resume ?? 0;
  }

  /** Where the next batch must begin; the reader starts from here. */
  get position(): number {
    return this.#position;
  }

  /** The records of a batch, in order. Bodies' values are views of the batch's buffers. */
  write(batch: Batch): TopicRecord[] {
    const records: TopicRecord[] = [];
    let gap = 0;
    for (const positioned of batch.records) {
      for (
        let next = batch.gaps[gap];
        next !== undefined && next.from < positioned.at;
        next = batch.gaps[++gap]
      ) {
        this.#gaps.push(next);
      }
      this.#record(positioned, records);
    }
    this.#gaps.push(...batch.gaps.slice(gap));
    this.#position = batch.next;
    this.#open.settle();
    return records;
  }

  /** What a writer needs to go on behind the last batch. To be kept when all records up to there are delivered. */
  checkpoint(): WriterCheckpoint {
    if (this.#from !== undefined && this.#position < this.#from.position) return this.#from;
    const position = this.#gaps[0]?.from ?? this.#position;
    return {
      position,
      resume: Math.min(this.#open.resume ?? position, position),
      ...(this.#run !== undefined && { run: this.#run }),
      sessions: this.#sessions.known(),
      open: this.#open.carried(),
    };
  }

  #madeBefore(at: number): boolean {
    return this.#from !== undefined && at < this.#from.position;
  }

  #record({ record, at, next }: Positioned, into: TopicRecord[]): void {
    this.#open.age(at);
    let made = into.length;
    try {
      this.#tellGaps(record.kind === "body" ? beginning(record.chunk.exchange) : record.event.time, into);
      made = into.length;
      if (record.kind === "body") this.#chunk(record.chunk, at, into);
      else this.#event(record.event, at, into);
    } catch (error) {
      // A sound frame with an event of a newer version, say: it must not stop those behind it, nor be lost in silence.
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      into.length = made;
      this.#gaps.push({ from: at, to: next, reason: "unreadable" });
    }
  }

  #chunk(chunk: BodyChunk, at: number, into: TopicRecord[]): void {
    const { exchange, direction, sequence, offset, bytes } = chunk;
    this.#open.chunk(exchange, direction, { chunks: sequence + 1, bytes: offset + bytes.length }, bytes);
    if (!this.#madeBefore(at)) into.push(chunkRecord(this.#source, chunk));
  }

  #event(event: RecordedEvent, at: number, into: TopicRecord[]): void {
    const again = this.#madeBefore(at);
    switch (event.type) {
      case "exchange.requested":
        this.#requested(event, at, again, into);
        break;
      case "exchange.completed":
      case "exchange.denied":
        this.#ended(event, at, again, into);
        break;
      case "session.started":
      case "session.renewed":
      case "session.ended":
      case "session.revoked":
        if (!again) this.#session(event, at, into);
        break;
      case "identity.refused":
        if (!again) this.#refused(event, at, into);
        break;
      case "gateway.started":
        if (!again) this.#started(event, at, into);
        break;
      case "gateway.stopped":
        if (!again) this.#gateway(event, at, into);
        break;
      case "checkpoint":
        if (!again) this.#checkpoint(event, at, into);
        break;
      default:
        throw new TypeError("an event of a type that is not known");
    }
  }

  /** A new run of the gateway: what is open was cut short by the end of the last one. */
  #started(event: GatewayStarted, at: number, into: TopicRecord[]): void {
    for (const open of this.#open.endAll()) this.#cutShort(open, event.time, at, into);
    this.#run = { gateway: short(event.gateway, BOUNDS.name), version: short(event.version, BOUNDS.name) };
    this.#gateway(event, at, into);
  }

  #gateway(event: GatewayStarted | GatewayStopped, at: number, into: TopicRecord[]): void {
    const gateway = short(event.gateway, BOUNDS.name);
    const id = `${gateway}/${event.type === "gateway.started" ? "started" : "stopped"}`;
    const context = this.#context(event.type, id, event.time, at, event);
    const address = { key: this.#source, subject: gateway };
    into.push(eventRecord(context, address, gatewayEvent(context, { ...event, gateway })));
  }

  #checkpoint(event: Checkpoint, at: number, into: TopicRecord[]): void {
    const session = boundSession(event.session);
    const context = this.#context("checkpoint", this.#placeId(at), event.time, at, event);
    const address = { key: session ?? this.#source, ...(session !== undefined && { subject: session }) };
    into.push(eventRecord(context, address, checkpointEvent(context, event)));
  }

  #session(event: SessionEvent, at: number, into: TopicRecord[]): void {
    const session = boundSession(event.session) ?? "unknown";
    const principal = this.#sessions.begin(session, event.principal);
    const context = this.#context(event.type, this.#placeId(at), event.time, at, event);
    const value = sessionEvent(context, { ...event, session }, principal);
    into.push(eventRecord(context, { key: session, subject: session }, value));
  }

  #refused(event: IdentityRefused, at: number, into: TopicRecord[]): void {
    const context = this.#context(event.type, this.#placeId(at), event.time, at, event);
    into.push(eventRecord(context, { key: this.#source }, refusedEvent(context, event)));
  }

  #requested(event: ExchangeRequested, at: number, again: boolean, into: TopicRecord[]): void {
    const { exchange, time } = event;
    const session = boundSession(event.session);
    const asked = askedOf(event);
    this.#open.begin(exchange, session, at, asked);
    if (again) return;
    const principal = this.#principal(session);
    const context = this.#context("exchange.requested", beginId(exchange), time, at, event);
    const { headers } = event.request;
    const address = { key: session ?? exchange, subject: exchange };
    const scene = { exchange, session, principal, asked, headers };
    into.push(eventRecord(context, address, exchangeEvent(context, scene)));
  }

  #ended(event: EndEvent, at: number, again: boolean, into: TopicRecord[]): void {
    const { exchange, time } = event;
    const begun = this.#open.end(exchange);
    if (again) return;
    const session = boundSession(event.session) ?? begun?.open.session;
    const refused = event.type === "exchange.denied" ? event.refused : undefined;
    const asked = begun?.open.asked ?? (refused === undefined ? undefined : askedOfRefused(time, refused));
    const answer = asked === undefined ? undefined : answerOf(event, asked, begun?.held);
    const scene = {
      exchange,
      session,
      principal: this.#principal(session),
      asked,
      // Such a request has no event of its own.
      ...(refused !== undefined && { headers: refused.request.headers }),
      end: endOf(event),
      answer,
    };
    into.push(...closings(this.#source, event, asked));
    const context = this.#context(endName(event, asked), endId(exchange), time, at, event);
    const address = { key: session ?? exchange, subject: exchange };
    into.push(eventRecord(context, address, exchangeEvent(context, scene)));
  }

  /** Says the end of an exchange in its own words' place: its gateway ended before it could. */
  #cutShort(open: OpenExchange, time: number, at: number, into: TopicRecord[]): void {
    const { exchange, session, asked, request, response } = open;
    const tunnel = asked.operation?.name === "tunnel";
    for (const direction of tunnel ? [] : (["request", "response"] as const)) {
      const body = open[direction];
      into.push(closingRecord(this.#source, { exchange, direction, time, body, outcome: "aborted" }));
    }
    const end: End = { outcome: "incomplete", status: 0, request, response: { ...response, headers: [] } };
    const name = tunnel ? "tunnel.closed" : "exchange.completed";
    const context = this.#context(name, endId(exchange), time, at);
    const scene = { exchange, session, principal: this.#principal(session), asked, end };
    into.push(
      eventRecord(context, { key: session ?? exchange, subject: exchange }, exchangeEvent(context, scene)),
    );
  }

  #tellGaps(time: number, into: TopicRecord[]): void {
    if (this.#gaps.length === 0 || !Number.isFinite(time)) return;
    for (const gap of this.#gaps) {
      if (this.#madeBefore(gap.to - 1)) continue;
      const context = this.#context("recording.gap", `${this.#placeId(gap.from)}/gap`, time, gap.from);
      into.push(eventRecord(context, { key: this.#source }, gapEvent(context, gap)));
    }
    this.#gaps = [];
  }

  #principal(session: string | undefined) {
    return session === undefined ? undefined : this.#sessions.use(session);
  }

  /** For events that have no name of their own: their place in the run's journal. */
  #placeId(at: number): string {
    return `${this.#run?.gateway ?? this.#source}/${at}`;
  }

  /** @param event absent of what was not recorded as one. */
  #context(name: EventName, id: string, time: number, sequence: number, event?: RecordedEvent): Context {
    const place = event && placeOf(event);
    return { id, name, time, sequence, source: this.#source, run: this.#run, place };
  }
}

/** An event's place in the recording, and the digest by which its reader knows whether it has the whole of it. */
function placeOf(event: RecordedEvent): Context["place"] {
  return event.chain && { ...event.chain, hash: recordHash(eventJson(event)) };
}

function boundSession(session: string | undefined): string | undefined {
  return session === undefined || session === "" ? undefined : short(session, BOUNDS.name);
}
