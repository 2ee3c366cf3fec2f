import { createHash } from "node:crypto";
import type { Direction } from "../../recording/events.ts";
import { headerOf } from "../answers.ts";
import { ArchiveError } from "../errors.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { ArchiveSearch } from "../search.ts";
import { contentCoding, decoded } from "./decode.ts";
import type { Notes } from "./notes.ts";

/**
 * How much of a body an export has:
 * - `none`: there was none;
 * - `whole`: all of it, and its digest is the recorded one;
 * - `cut`: all that passed, but the exchange was broken off before the body's end, or may have been;
 * - `withheld`: kept out of the recording on purpose (credentials): size and digest are all there is;
 * - `unseen`: it passed through a blind tunnel, which only counts;
 * - `missing`: the archive does not have it, or not all of it (any more);
 * - `damaged`: its digest is not the recorded one.
 */
export type BodyState = "none" | "whole" | "cut" | "withheld" | "unseen" | "missing" | "damaged";

/** What is known of a body once it has been read from one end to the other. */
export interface Body {
  readonly exchange: string;
  readonly direction: Direction;
  readonly state: BodyState;
  /** Bytes in the archive, content coding and all. */
  readonly bytes: number;
  /** Bytes without the content coding; equal to `bytes` where it could not be undone. */
  readonly decodedBytes: number;
  /** The content coding that {@link bodyBytes} undoes. */
  readonly coding?: string;
  /** A content coding that could not be undone, and is still on. */
  readonly undecodable?: string;
  /** Whether it is text: UTF-8 without control characters but white space. */
  readonly text: boolean;
}

/** Control characters that text does not have. */
const BINARY = /[^\P{Cc}\t\n\f\r\x80-\x9f]/u;

/**
 * Reads a body once to know what it is; it is then read again to be written. So a body takes no memory, however large.
 */
export async function inspectBody(
  search: ArchiveSearch,
  exchange: ArchivedExchange,
  direction: Direction,
): Promise<Body> {
  const headers = direction === "request" ? exchange.requestHeaders : exchange.responseHeaders;
  const coding = contentCoding(headerOf(headers, "content-encoding"));
  const chunks = (): Iterable<Uint8Array> => search.body(exchange.id, direction);
  const tally = new Tally();
  const strict = await contentOf(tally.of(chunks()), coding, false);
  // Where a decoder gave up, the rest has not been counted.
  const { bytes, sha256 } = strict === undefined ? new Tally().all(chunks()) : tally.result();
  const state = stateOf(exchange, direction, bytes, sha256);
  const about = { exchange: exchange.id, direction, state, bytes };
  const plain = strict ?? (state === "whole" ? undefined : await contentOf(chunks(), coding, true));
  if (plain !== undefined) {
    return { ...about, decodedBytes: plain.bytes, text: plain.text, ...(coding !== undefined && { coding }) };
  }
  return { ...about, decodedBytes: bytes, text: false, ...(coding !== undefined && { undecodable: coding }) };
}

/** A body's bytes as they passed: those that were inspected, of an exchange that still runs too. */
export function* rawBytes(
  search: ArchiveSearch,
  { exchange, direction, bytes }: Body,
): Generator<Uint8Array> {
  let left = bytes;
  for (const chunk of search.body(exchange, direction)) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
  if (left <= 0) return;
  const message = `the ${direction} body of ${exchange} was retired or forgotten while it was exported: export again`;
  throw new ArchiveError("failed", message);
}

/** A body's bytes, without the content coding where that can be undone. */
export function bodyBytes(search: ArchiveSearch, body: Body): AsyncGenerator<Uint8Array> {
  return decoded(rawBytes(search, body), body.coding, body.state !== "whole");
}

/**
 * A body as what stands between the quotation marks of a JSON string: text as such, everything else in base64 (RFC 4648,
 * section 4).
 */
export async function* bodyAsJson(search: ArchiveSearch, body: Body): AsyncGenerator<string> {
  if (body.text) {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for await (const bytes of bodyBytes(search, body)) yield escaped(decoder.decode(bytes, { stream: true }));
    yield escaped(decoder.decode());
    return;
  }
  let rest = Buffer.alloc(0);
  for await (const bytes of bodyBytes(search, body)) {
    const all = rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([rest, bytes]);
    const whole = all.length - (all.length % 3);
    yield all.toString("base64", 0, whole);
    rest = all.subarray(whole);
  }
  yield rest.toString("base64");
}

const TOLD: Readonly<Partial<Record<BodyState, string>>> = {
  cut: "cut: its exchange was broken off before its end, or may have been",
  withheld: "withheld: only its size and digest were recorded",
  unseen: "unseen: it passed through a blind tunnel",
  missing: "missing, or missing in part: the archive does not have all of it",
  damaged: "damaged: its digest is not the recorded one",
};

/** Tells of a body that is not here whole. */
export function noteBody(notes: Notes, { state, direction }: Body): void {
  const rest = TOLD[state];
  if (rest !== undefined) notes.add(`${direction} body`, rest);
}

function stateOf(exchange: ArchivedExchange, direction: Direction, bytes: number, sha256: string): BodyState {
  const recorded = exchange[direction];
  // Without an end, nothing was summed up.
  if (recorded === undefined) return bytes === 0 && direction === "request" ? "none" : "cut";
  if (recorded.bytes > 0 && recorded.sha256 === undefined) return "unseen";
  if (recorded.bytes > 0 && recorded.chunks === 0) return "withheld";
  if (bytes !== recorded.bytes) return "missing";
  if (recorded.sha256 !== undefined && recorded.sha256 !== sha256) return "damaged";
  if (isCut(exchange, direction, bytes)) return "cut";
  return bytes === 0 ? "none" : "whole";
}

/** An exchange that failed may not have read its request to the end; a declared length tells that it has. */
function isCut(exchange: ArchivedExchange, direction: Direction, bytes: number): boolean {
  if (direction === "response") return exchange.outcome !== "complete" && exchange.outcome !== "denied";
  if (exchange.error === undefined && exchange.outcome !== "aborted") return false;
  const declared = headerOf(exchange.requestHeaders, "content-length");
  const chunked = headerOf(exchange.requestHeaders, "transfer-encoding") !== undefined;
  return declared === undefined ? chunked || bytes > 0 : Number(declared) !== bytes;
}

/** What of a body is text, and how long it is; undefined when its coding cannot be undone. */
async function contentOf(
  chunks: Iterable<Uint8Array>,
  coding: string | undefined,
  lenient: boolean,
): Promise<{ bytes: number; text: boolean } | undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let bytes = 0;
  let text = true;
  const look = (chunk?: Uint8Array): void => {
    try {
      text &&= !BINARY.test(decoder.decode(chunk, { stream: chunk !== undefined }));
    } catch {
      text = false;
    }
  };
  try {
    for await (const chunk of decoded(chunks, coding, lenient)) {
      bytes += chunk.length;
      if (text) look(chunk);
    }
  } catch (error) {
    if (coding === undefined) throw error;
    return undefined;
  }
  if (text) look();
  return { bytes, text };
}

/** Counts and digests bytes as they are taken. */
class Tally {
  readonly #digest = createHash("sha256");
  #bytes = 0;

  *of(chunks: Iterable<Uint8Array>): Generator<Uint8Array> {
    for (const chunk of chunks) {
      this.#digest.update(chunk);
      this.#bytes += chunk.length;
      yield chunk;
    }
  }

  all(chunks: Iterable<Uint8Array>): { bytes: number; sha256: string } {
    for (const _ of this.of(chunks));
    return this.result();
  }

  result(): { bytes: number; sha256: string } {
    return { bytes: this.#bytes, sha256: this.#digest.digest("hex") };
  }
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
