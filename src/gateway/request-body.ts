import { gunzipSync } from "node:zlib";
import type { AgentSide } from "./agent.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { FlowPart } from "./flow.ts";
import { type Limits, SMALL_BODY, TimeoutError } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import type { Waits } from "./waits.ts";

/** Looks at a beginning and says how many bytes it takes to look again; no more than there are: that is enough. */
export type Look = (beginning: Buffer) => number;

/**
 * Bytes that a body which has room must bring in each `requestIdle`: one that trickles would keep its room from others for
 * as long as an exchange may last.
 */
const LEAST = 1024 * 1024;

/** What is held of a request until its exchange ends; beyond a small body, room for it is taken from the budget first. */
export class HeldBody {
  readonly #budget: ByteBudget;
  readonly #limits: Limits;
  readonly #waits: Waits;
  readonly #session: string;
  #reserved = 0;
  /** When that was, by `performance.now()`. */
  #since = 0;

  constructor(budget: ByteBudget, limits: Limits, waits: Waits, session: string) {
    this.#budget = budget;
    this.#limits = limits;
    this.#waits = waits;
    this.#session = session;
  }

  /** The next part of a body, which is not held. @throws {Refusal} 400 when the agent broke off. */
  next(agent: AgentSide): FlowPart | Promise<FlowPart> {
    const next = nextPart(agent, this.#limits.requestIdle);
    return next instanceof Promise ? this.#waits.forRequest(next) : next;
  }

  /**
   * Reads a body whole.
   *
   * @throws {Refusal} 413 when it is longer than `limit`, 400 when the agent broke off, 503 when there is no room for it.
   */
  async whole(agent: AgentSide, limit: number): Promise<Buffer> {
    if (Number(agent.request.headers["content-length"] ?? 0) > limit) throw tooLong(limit);
    return (await this.#read(agent, limit)).body;
  }

  /** Reads the beginning of a body, until a look says that it is enough; `last` when that is all. @throws as {@link whole} */
  async until(
    agent: AgentSide,
    limit: number,
    look: Look,
  ): Promise<{ readonly body: Buffer; readonly last: boolean }> {
    return await this.#read(agent, limit, look);
  }

  release(): void {
    this.#keep(0);
  }

  async #read(agent: AgentSide, limit: number, look?: Look): Promise<{ body: Buffer; last: boolean }> {
    const read = await this.#bytes(agent, limit, look);
    // What was not known before it came may be much less, and a stream holds its beginning for hours.
    this.#keep(read.body.length);
    return read;
  }

  #keep(bytes: number): void {
    const over = this.#reserved - bytes;
    if (over <= 0) return;
    this.#reserved = bytes;
    this.#budget.giveBack(over, this.#session);
  }

  async #bytes(agent: AgentSide, limit: number, look?: Look): Promise<{ body: Buffer; last: boolean }> {
    const declared = Number(agent.request.headers["content-length"] ?? 0);
    let chunks: Buffer[] = [];
    let length = 0;
    let needed = look === undefined ? Number.POSITIVE_INFINITY : 0;
    for (;;) {
      const next = this.next(agent);
      const part = next instanceof Promise ? await next : next;
      for (const chunk of part.chunks) {
        chunks.push(chunk);
        length += chunk.length;
      }
      if (look !== undefined && !part.last && length >= needed) {
        const body = joined(chunks, length);
        chunks = [body];
        needed = look(body);
        if (needed <= length) return { body, last: false };
      }
      if (length > limit || (look !== undefined && needed > limit)) throw tooLong(limit);
      if (part.last) return { body: joined(chunks, length), last: true };
      if (this.#reserved > 0) this.#mustKeepUp(length);
      else if (length > SMALL_BODY) await this.#reserve(Math.min(declared || limit, limit));
    }
  }

  async #reserve(bytes: number): Promise<void> {
    if (await this.#budget.reserve(bytes, this.#limits.requestIdle, this.#session)) {
      this.#reserved = bytes;
      this.#since = performance.now();
      return;
    }
    const message = "too many large requests are under way; it may be tried again";
    throw new Refusal(503, "backendError", "request.no-room", message);
  }

  #mustKeepUp(length: number): void {
    const times = Math.floor((performance.now() - this.#since) / this.#limits.requestIdle);
    if (length < times * LEAST) brokenOff(new TimeoutError("too little came for too long"));
  }
}

/** The next part of a request. @throws {Refusal} when the agent broke off, or is silent for too long. */
export function nextPart(agent: AgentSide, idle: number | undefined): FlowPart | Promise<FlowPart> {
  const part = agent.nextPart(idle);
  return part instanceof Promise ? part.catch(brokenOff) : part;
}

function brokenOff(cause: unknown): never {
  const [code, message] =
    cause instanceof TimeoutError
      ? (["request.timeout", "the request's body does not come"] as const)
      : (["request.aborted", "the request broke off"] as const);
  throw new Refusal(400, "invalid", code, message, { cause });
}

function tooLong(limit: number): Refusal {
  return new Refusal(413, "invalid", "request.too-long", `a request body has at most ${limit} bytes`);
}

function joined(chunks: readonly Buffer[], length: number): Buffer {
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length);
}

/**
 * A body as its sender meant it, for description only: Java's client compresses what it sends.
 *
 * @throws {Refusal} 400 for an encoding that the gateway cannot look into.
 */
export function decodeBody(body: Buffer, encoding: string | undefined, limit: number): Buffer {
  if (encoding === undefined || encoding === "identity") return body;
  if (encoding !== "gzip") {
    throw new Refusal(400, "invalid", "request.encoding", "a request's Content-Encoding is gzip or none");
  }
  try {
    return gunzipSync(body, { maxOutputLength: limit });
  } catch (cause) {
    throw new Refusal(400, "invalid", "request.encoding", "the gzip body is damaged or too long", { cause });
  }
}
