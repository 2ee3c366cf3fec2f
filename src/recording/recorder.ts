import { createHash, type Hash, hash } from "node:crypto";
import type { ExchangeTrace } from "../tracing/trace-context.ts";
import type { Chain } from "./chain.ts";
import { Chains, type ChainsOptions } from "./chains.ts";
import { JournalError } from "./errors.ts";
import type {
  BodySummary,
  Direction,
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  HeaderList,
  RecordedEvent,
} from "./events.ts";
import type { Durability, Journal } from "./journal.ts";
import { PhaseClock, type RunningPhase } from "./phases.ts";
import { uuidv7 } from "./uuid.ts";

export interface RecorderOptions extends Pick<ChainsOptions, "signer" | "onError" | "interval"> {
  readonly journal: Journal;
  /** What a request waits for before it is forwarded. */
  readonly commitRequest: Durability;
  /** What response bytes wait for before the agent gets them. */
  readonly releaseResponse: Durability;
  /** Whose trace an exchange is a part of, by the agent's `traceparent`; absent: nothing is traced. */
  readonly beginTrace?: ((traceparent: string | undefined) => ExchangeTrace) | undefined;
  /** Told of each exchange that ends. */
  readonly onEnd?: (ended: EndedExchange) => void;
  /** Told of each end that cannot be recorded: its exchange reads as broken off. */
  readonly onUnrecorded?: (error: JournalError) => void;
}

/** What an exchange came to, for those who count, trace and log. */
export interface EndedExchange {
  /** Absent when it was refused before its request was recorded. */
  readonly requested: ExchangeRequested | undefined;
  readonly end: ExchangeCompleted | ExchangeDenied;
  /** Whether it ran a statement. */
  readonly statement: boolean;
  /** Milliseconds, of its phases `receive` and `release`, in which it was the agent that was waited for. */
  readonly agentWait: number;
  /** Of its phase `upstreamFirstByte`, as far as the request was out and nothing had come back; absent where that is not known. */
  readonly upstreamWait: number | undefined;
  /** The agent's, as it came. */
  readonly traceparent?: string | undefined;
  /** Absent when nothing is traced. */
  readonly trace?: ExchangeTrace | undefined;
}

/** What is known of an exchange before it is. */
export interface Beginning {
  /** Since when the agent waits for it, by `performance.now()`. Default: now. */
  readonly at?: number;
  /** The agent's, when it has one. */
  readonly traceparent?: string | undefined;
}

/** Bytes of one body record at most: a chunk of the bodies topic. */
const CHUNK = 256 * 1024;

/** Writes down what passes a gateway. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #chains: Chains;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#chains = new Chains(options);
  }

  /** Whether exchanges can be recorded now; if not, none may begin. */
  get ready(): boolean {
    return this.#options.journal.state === "open";
  }

  exchange(session: string | undefined, beginning: Beginning = {}): ExchangeRecording {
    return new ExchangeRecording(this.#options, this.#chains, session, beginning);
  }

  /** Appends an event that nothing waits for. */
  note(event: RecordedEvent): void {
    const chain = this.#chains.of("session" in event ? event.session : undefined);
    this.#chains.add(chain, event);
    if (event.type === "session.ended" || event.type === "session.revoked") this.#chains.endSession(chain);
  }

  /** Signs all that was recorded. Nothing is recorded behind it. */
  close(): void {
    this.#chains.close();
  }
}

type RequestedFields = Omit<ExchangeRequested, "type" | "time" | "exchange" | "session">;
type EndFields = Omit<
  ExchangeCompleted | ExchangeDenied,
  "type" | "time" | "exchange" | "session" | "request" | "response" | "phases"
> & {
  readonly outcome: ExchangeCompleted["outcome"] | "denied";
  readonly headers: HeaderList;
  readonly trailers?: HeaderList;
  readonly refused?: ExchangeDenied["refused"];
};

/** One exchange on its way into the journal. */
export class ExchangeRecording {
  readonly id = uuidv7();
  /** Absent when nothing is traced. */
  readonly trace: ExchangeTrace | undefined;
  readonly #options: RecorderOptions;
  readonly #chains: Chains;
  readonly #chain: Chain;
  readonly #session: string | undefined;
  readonly #traceparent: string | undefined;
  readonly #clock: PhaseClock;
  readonly #request: BodyRecording;
  #requested: ExchangeRequested | undefined;
  #statement = false;
  #agentWait = 0;
  #upstreamWait: number | undefined;
  readonly #response: BodyRecording;

  constructor(
    options: RecorderOptions,
    chains: Chains,
    session: string | undefined,
    { at = performance.now(), traceparent }: Beginning,
  ) {
    this.#options = options;
    this.#clock = new PhaseClock(at);
    this.#chains = chains;
    this.#chain = chains.of(session);
    this.#session = session;
    this.#traceparent = traceparent;
    this.trace = options.beginTrace?.(traceparent);
    this.#request = new BodyRecording(options.journal, this.id, "request");
    this.#response = new BodyRecording(options.journal, this.id, "response");
  }

  /** Whether the request is in the journal, or on its way there. */
  get begun(): boolean {
    return this.#requested !== undefined;
  }

  /** Whether a request, before it may go on, waits for Kafka: that can take as long as Kafka is away. */
  get waitsForKafka(): boolean {
    return this.#options.commitRequest === "kafka";
  }

  /**
   * Makes the request durable, head and body; only then may it go on.
   *
   * @throws {JournalError} when that cannot be done: it must not go on.
   */
  request(fields: RequestedFields, body: Buffer, options?: { withhold: boolean }): Promise<void> {
    this.enter("commit");
    const { journal, commitRequest } = this.#options;
    // Named one by one, here and at the end: to spread them costs a microsecond.
    const event: ExchangeRequested = {
      type: "exchange.requested",
      time: Date.now(),
      exchange: this.id,
      session: this.#session ?? "",
      user: fields.user,
      source: fields.source,
      request: fields.request,
      operation: fields.operation,
      decision: fields.decision,
    };
    this.#chains.add(this.#chain, event);
    this.#requested = event;
    const { sql, dryRun } = fields.operation;
    this.#statement = sql !== undefined && dryRun !== true && fields.decision.effect === "allow";
    this.#request.add(body, options);
    return journal.commit(commitRequest);
  }

  /**
   * Makes further bytes of a request durable that goes on while it comes; only then may they go on.
   *
   * @throws {JournalError} when that cannot be done: they must not.
   */
  async requestPart(chunks: readonly Uint8Array[]): Promise<void> {
    const { journal, commitRequest } = this.#options;
    const from = performance.now();
    for (const chunk of chunks) this.#request.add(chunk);
    await journal.commit(commitRequest);
    this.#clock.add("commit", performance.now() - from);
  }

  /** Appends response bytes. They may be released when {@link responseRecorded} resolves. */
  response(bytes: Uint8Array, options?: { withhold: boolean }): void {
    this.#response.add(bytes, options);
  }

  /** Whether any response bytes were recorded. */
  get answered(): boolean {
    return this.#response.begun;
  }

  /** Whether response bytes wait for Kafka, so that many should wait at a time. */
  get pipelined(): boolean {
    return this.#options.releaseResponse === "kafka";
  }

  /** Whether more of an exchange that is under way should be recorded now; if not, await {@link room}. */
  get hasRoom(): boolean {
    return this.#options.journal.hasRoom;
  }

  /** @throws {JournalError} when nothing more can be recorded. */
  room(): Promise<void> {
    return this.#options.journal.room();
  }

  /** @throws {JournalError} when the bytes cannot be recorded: they must not be released. */
  responseRecorded(): Promise<void> {
    const { journal, releaseResponse } = this.#options;
    return journal.commit(releaseResponse);
  }

  /** Counts bytes that passed unseen, in a tunnel. */
  blind(passed: { readonly request: number; readonly response: number }): void {
    this.#request.blind(passed.request);
    this.#response.blind(passed.response);
  }

  /** Notes for how many milliseconds, until now, the agent was waited for. */
  waitedForAgent(milliseconds: number): void {
    // While upstream is at work, that is what the time is spent for.
    const { phase } = this.#clock;
    if (phase === "receive" || phase === "release") this.#agentWait += milliseconds;
  }

  /** Notes how many milliseconds the request was out before anything came back. */
  waitedForUpstream(milliseconds: number | undefined): void {
    this.#upstreamWait = milliseconds;
  }

  /** From now on, time is spent in this phase. It begins with `receive`. */
  enter(phase: RunningPhase): void {
    this.#clock.enter(phase);
  }

  /** Appends the end. It needs no commit: without it, the exchange reads as incomplete, which is the safe side. */
  end(fields: EndFields): void {
    const { outcome, headers, trailers } = fields;
    const phases = this.#clock.summary();
    const { bytes, sha256, chunks } = this.#response.summary();
    // JSON leaves out what is undefined.
    const event = {
      type: outcome === "denied" ? "exchange.denied" : "exchange.completed",
      outcome,
      time: Date.now(),
      exchange: this.id,
      session: this.#session,
      status: fields.status,
      grpcStatus: fields.grpcStatus,
      answeredBy: fields.answeredBy,
      error: fields.error,
      credential: fields.credential,
      request: this.#request.summary(),
      response: { bytes, sha256, chunks, headers, trailers },
      phases,
      refused: fields.refused,
    } as ExchangeCompleted | ExchangeDenied;
    const { onEnd, onUnrecorded } = this.#options;
    try {
      this.#chains.add(this.#chain, event);
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      onUnrecorded?.(error);
    }
    onEnd?.({
      requested: this.#requested,
      end: event,
      statement: this.#statement,
      agentWait: this.#agentWait,
      upstreamWait: this.#upstreamWait,
      traceparent: this.#traceparent,
      trace: this.trace,
    });
  }
}

/** The bytes of one direction: their records, count and digest. */
class BodyRecording {
  readonly #journal: Journal;
  readonly #exchange: string;
  readonly #direction: Direction;
  /** The first bytes are kept until more come: most bodies are one piece, and one call for all is the cheapest digest. */
  #only: Uint8Array | undefined;
  #hash: Hash | undefined;
  #bytes = 0;
  #chunks = 0;
  #blind = false;

  constructor(journal: Journal, exchange: string, direction: Direction) {
    this.#journal = journal;
    this.#exchange = exchange;
    this.#direction = direction;
  }

  add(bytes: Uint8Array, options?: { withhold: boolean }): void {
    if (bytes.length === 0) return;
    for (let at = 0; at < bytes.length && options?.withhold !== true; at += CHUNK) {
      const chunk = {
        exchange: this.#exchange,
        direction: this.#direction,
        sequence: this.#chunks,
        offset: this.#bytes + at,
        bytes: bytes.subarray(at, at + CHUNK),
      };
      this.#journal.append({ kind: "body", chunk });
      this.#chunks += 1;
    }
    if (this.#bytes === 0) this.#only = bytes;
    else this.#hashOfAll().update(bytes);
    this.#bytes += bytes.length;
  }

  get begun(): boolean {
    return this.#bytes > 0 || this.#chunks > 0;
  }

  blind(bytes: number): void {
    this.#blind = true;
    this.#bytes += bytes;
  }

  summary(): BodySummary {
    if (this.#blind) return { bytes: this.#bytes, chunks: 0 };
    const sha256 = this.#hash?.digest("hex") ?? hash("sha256", this.#only ?? "", "hex");
    return { bytes: this.#bytes, sha256, chunks: this.#chunks };
  }

  #hashOfAll(): Hash {
    this.#hash ??= createHash("sha256").update(this.#only ?? "");
    this.#only = undefined;
    return this.#hash;
  }
}
