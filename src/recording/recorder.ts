import { createHash, type Hash, hash } from "node:crypto";
import type {
  BodySummary,
  Direction,
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  HeaderList,
  Phase,
  RecordedEvent,
} from "./events.ts";
import { encodeBody, encodeEvent } from "./frame.ts";
import type { Durability, Journal } from "./journal.ts";
import { uuidv7 } from "./uuid.ts";

export interface RecorderOptions {
  readonly journal: Journal;
  /** What a request waits for before it is forwarded. */
  readonly commitRequest: Durability;
  /** What response bytes wait for before the agent gets them. */
  readonly releaseResponse: Durability;
}

/** Bytes of one body record at most: a chunk of the bodies topic. */
const CHUNK = 256 * 1024;

/** Writes down what passes a gateway. */
export class Recorder {
  readonly #options: RecorderOptions;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Whether exchanges can be recorded now; if not, none may begin. */
  get ready(): boolean {
    return this.#options.journal.state === "open";
  }

  exchange(session: string | undefined): ExchangeRecording {
    return new ExchangeRecording(this.#options, session);
  }

  /** Appends an event that nothing waits for. */
  note(event: RecordedEvent): void {
    this.#options.journal.append(encodeEvent(event));
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
  readonly #options: RecorderOptions;
  readonly #session: string | undefined;
  readonly #began = performance.now();
  readonly #phases: Partial<Record<Phase, number>> = {};
  readonly #request: BodyRecording;
  #begun = false;
  readonly #response: BodyRecording;

  constructor(options: RecorderOptions, session: string | undefined) {
    this.#options = options;
    this.#session = session;
    this.#request = new BodyRecording(options.journal, this.id, "request");
    this.#response = new BodyRecording(options.journal, this.id, "response");
  }

  /** Whether the request is in the journal, or on its way there. */
  get begun(): boolean {
    return this.#begun;
  }

  /**
   * Makes the request durable, head and body; only then may it go on.
   *
   * @throws {JournalError} when that cannot be done: it must not go on.
   */
  async request(fields: RequestedFields, body: Buffer, options?: { withhold: boolean }): Promise<void> {
    const { journal, commitRequest } = this.#options;
    const session = this.#session ?? "";
    journal.append(
      encodeEvent({ type: "exchange.requested", time: Date.now(), exchange: this.id, session, ...fields }),
    );
    this.#begun = true;
    this.#request.add(body, options);
    await this.timed("commit", () => journal.commit(commitRequest));
  }

  /**
   * Makes further bytes of a request durable that goes on while it comes; only then may they go on.
   *
   * @throws {JournalError} when that cannot be done: they must not.
   */
  requestPart(chunks: readonly Uint8Array[]): Promise<void> {
    const { journal, commitRequest } = this.#options;
    for (const chunk of chunks) this.#request.add(chunk);
    return this.timed("commit", () => journal.commit(commitRequest));
  }

  /** Appends response bytes. They may be released when {@link responseRecorded} resolves. */
  response(bytes: Uint8Array, options?: { withhold: boolean }): void {
    this.#response.add(bytes, options);
  }

  /** @throws {JournalError} when the bytes cannot be recorded: they must not be released. */
  responseRecorded(): Promise<void> {
    const { journal, releaseResponse } = this.#options;
    return this.timed("release", () => journal.commit(releaseResponse));
  }

  /** Counts bytes that passed unseen, in a tunnel. */
  blind(passed: { readonly request: number; readonly response: number }): void {
    this.#request.blind(passed.request);
    this.#response.blind(passed.response);
  }

  /** Runs a step and adds its time to its phase. */
  async timed<Result>(phase: Phase, step: () => Promise<Result>): Promise<Result> {
    const from = performance.now();
    try {
      return await step();
    } finally {
      this.spent(phase, performance.now() - from);
    }
  }

  /** Adds milliseconds to a phase. */
  spent(phase: Phase, milliseconds: number): void {
    this.#phases[phase] = (this.#phases[phase] ?? 0) + milliseconds;
  }

  /** Appends the end. It needs no commit: without it, the exchange reads as incomplete, which is the safe side. */
  end({ outcome, headers, trailers, refused, ...fields }: EndFields): void {
    this.spent("total", performance.now() - this.#began);
    const common = {
      time: Date.now(),
      exchange: this.id,
      ...(this.#session !== undefined && { session: this.#session }),
      ...fields,
      request: this.#request.summary(),
      response: { ...this.#response.summary(), headers, ...(trailers !== undefined && { trailers }) },
      phases: rounded(this.#phases),
    };
    const event: ExchangeCompleted | ExchangeDenied =
      outcome === "denied"
        ? { type: "exchange.denied", outcome, ...common, ...(refused !== undefined && { refused }) }
        : { type: "exchange.completed", outcome, ...common };
    this.#options.journal.append(encodeEvent(event));
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
      this.#journal.append(encodeBody(chunk));
      this.#chunks += 1;
    }
    if (this.#bytes === 0) this.#only = bytes;
    else this.#hashOfAll().update(bytes);
    this.#bytes += bytes.length;
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

function rounded(phases: Partial<Record<Phase, number>>): Partial<Record<Phase, number>> {
  return Object.fromEntries(
    Object.entries(phases).map(([phase, milliseconds]) => [phase, Math.round(milliseconds * 1000) / 1000]),
  );
}
