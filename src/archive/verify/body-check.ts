import { createHash, type Hash } from "node:crypto";
import type { BodyChunk, BodySummary, Direction } from "../../recording/events.ts";
import type { Place, Problem } from "./problem.ts";

/** Bodies that may be under way at a time; a gateway has far fewer, and those of gateways that were killed are left open. */
const MAX_OPEN = 20_000;
/** Exchanges that have ended and are remembered, so that what still comes of them is known for what it is. */
const MAX_ENDED = 4_096;
const MAX_MISSING = 256;

interface OpenBody {
  readonly first: Place;
  readonly hash: Hash;
  /** Of the next chunk. */
  sequence: number;
  bytes: number;
  /** Chunks that were passed over. */
  missing: number[];
  /** Whether what is hashed is no longer the body from its beginning on. */
  torn: boolean;
}

type Tell = (problem: Problem) => void;

/** Checks bodies against the digests that the ends of their exchanges have. */
export class BodyCheck {
  readonly #tell: Tell;
  readonly #open = new Map<string, OpenBody>();
  readonly #begun = new Set<string>();
  readonly #ended = new Set<string>();
  #checked = 0;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** Bodies whose digest was found to be right. */
  get checked(): number {
    return this.#checked;
  }

  begin(exchange: string): void {
    if (this.#begun.size < MAX_OPEN) this.#begun.add(exchange);
  }

  chunk({ exchange, direction, sequence, offset, bytes }: BodyChunk, place: Place): void {
    const at = { ...place, exchange };
    if (this.#ended.has(exchange)) {
      this.#tell({
        kind: "body-too-long",
        ...at,
        message: `a chunk of the ${direction} stands behind its exchange's end`,
      });
      return;
    }
    const key = `${exchange}/${direction}`;
    let body = this.#open.get(key);
    if (body === undefined) {
      if (this.#open.size >= MAX_OPEN) {
        this.#tell({ kind: "malformed", ...at, message: "more bodies are under way than a gateway records" });
        return;
      }
      body = { first: at, hash: createHash("sha256"), sequence: 0, bytes: 0, missing: [], torn: false };
      this.#open.set(key, body);
    }
    const late = body.missing.indexOf(sequence);
    if (late >= 0) {
      body.missing.splice(late, 1);
      body.torn = true;
      this.#tell({ kind: "reordered", ...at, message: `chunk ${sequence} of the ${direction} comes late` });
      return;
    }
    if (sequence < body.sequence) {
      body.torn = true;
      this.#tell({ kind: "added", ...at, message: `chunk ${sequence} of the ${direction} is there twice` });
      return;
    }
    for (let lost = body.sequence; lost < sequence && body.missing.length < MAX_MISSING; lost++) {
      body.missing.push(lost);
      body.torn = true;
    }
    if (!body.torn && offset !== body.bytes) {
      body.torn = true;
      const message = `chunk ${sequence} of the ${direction} says that it begins at byte ${offset}, not ${body.bytes}`;
      this.#tell({ kind: "body-changed", ...at, message });
    }
    body.sequence = sequence + 1;
    body.bytes += bytes.length;
    if (!body.torn) body.hash.update(bytes);
  }

  /** @param tell takes problems that are none if the end itself was changed. */
  end(
    exchange: string,
    bodies: Readonly<Record<Direction, BodySummary>>,
    place: Place,
    tell: Tell,
    areForgotten: boolean,
  ): number {
    let forgotten = 0;
    for (const direction of ["request", "response"] as const) {
      const key = `${exchange}/${direction}`;
      const body = this.#open.get(key);
      this.#open.delete(key);
      if (areForgotten && body === undefined && bodies[direction].chunks > 0) forgotten += 1;
      else this.#compare(direction, body, bodies[direction], { ...place, exchange }, tell);
    }
    this.#begun.delete(exchange);
    this.#ended.add(exchange);
    if (this.#ended.size > MAX_ENDED)
      for (const oldest of this.#ended) return this.#forget(oldest, forgotten);
    return forgotten;
  }

  /** Bodies that have no end: of exchanges that began, and of none that is known. */
  *left(): Generator<{ readonly place: Place; readonly begun: boolean }> {
    for (const { first } of this.#open.values()) {
      yield { place: first, begun: this.#begun.has(first.exchange ?? "") };
    }
  }

  #forget(exchange: string, forgotten: number): number {
    this.#ended.delete(exchange);
    return forgotten;
  }

  #compare(
    direction: Direction,
    body: OpenBody | undefined,
    { bytes, chunks, sha256 }: BodySummary,
    at: Place,
    tell: Tell,
  ): void {
    const found = body?.sequence ?? 0;
    // None, though there are bytes: withheld on purpose, or a tunnel's.
    if (chunks === 0 && found === 0) return;
    if (found > chunks) {
      const message = `the ${direction} has ${found} chunks, and ${chunks} were recorded`;
      tell({ kind: "body-too-long", ...at, message });
      return;
    }
    const missing = chunks - found + (body?.missing.length ?? 0);
    if (missing > 0 || body === undefined) {
      const message = `of the ${direction}'s ${chunks} chunks ${missing} ${missing === 1 ? "is" : "are"} missing`;
      tell({ kind: "body-missing", ...at, message });
      return;
    }
    if (body.torn) return;
    if (body.bytes !== bytes || (sha256 !== undefined && body.hash.digest("hex") !== sha256)) {
      tell({
        kind: "body-changed",
        ...at,
        message: `the ${direction}'s bytes are not those that were recorded`,
      });
      return;
    }
    this.#checked += 1;
  }
}
