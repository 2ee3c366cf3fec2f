import { hash } from "node:crypto";
import type { BodyChunk, RecordedEvent } from "../../recording/events.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import { parseJwk } from "../../recording/keys/jwk.ts";
import type { SignedNotice } from "../verify/destroyed.ts";
import { CHUNK_PREFIX, TAPE_FORMAT, TAPE_VERSION, type TapeHeader, type TapeManifest } from "./format.ts";

/** What a line of a tape is. */
export type TapeLine =
  | { readonly kind: "header"; readonly header: TapeHeader }
  | { readonly kind: "record"; readonly record: JournalRecord; readonly hash?: string }
  | { readonly kind: "manifest"; readonly manifest: TapeManifest }
  | { readonly kind: "unreadable"; readonly why: string };

const PREFIX = Buffer.from(CHUNK_PREFIX);
const QUOTE = 0x22;

/** Reads a line. What it holds is hostile: only what has the right shape is handed on. */
export function parseLine(bytes: Buffer): TapeLine {
  try {
    if (bytes.subarray(0, PREFIX.length).equals(PREFIX)) {
      return { kind: "record", record: { kind: "body", chunk: parseChunk(bytes) } };
    }
    const value = JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
    if (typeof value !== "object" || value === null) return { kind: "unreadable", why: "it is no object" };
    if (value.type === "tape") return { kind: "header", header: parseHeader(value) };
    if (value.type === "manifest") return { kind: "manifest", manifest: value as unknown as TapeManifest };
    checkEvent(value);
    // Over the very bytes: what is written otherwise is not what was recorded.
    const event = value as unknown as RecordedEvent;
    return { kind: "record", record: { kind: "event", event }, hash: hash("sha256", bytes, "hex") };
  } catch (error) {
    return { kind: "unreadable", why: error instanceof Error ? error.message : String(error) };
  }
}

/** A chunk's line, of which only what is behind the bytes is parsed. */
function parseChunk(line: Buffer): BodyChunk {
  const end = line.indexOf(QUOTE, PREFIX.length);
  const rest = JSON.parse(`{"bytes":"${line.toString("utf8", end)}`) as Record<string, unknown>;
  const { direction, exchange, offset, sequence, type } = rest;
  const right = direction === "request" || direction === "response";
  if (type !== "body" || !right || typeof exchange !== "string")
    throw new TypeError("it is no chunk of a body");
  if (!isCount(offset) || !isCount(sequence)) throw new TypeError("a chunk without its place");
  const base64 = line.toString("latin1", PREFIX.length, end);
  const bytes = Buffer.from(base64, "base64");
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  // What is no base64 is passed over by the decoder.
  if (base64.length % 4 !== 0 || bytes.length !== (base64.length / 4) * 3 - padding) {
    throw new TypeError("its bytes are no base64");
  }
  return { exchange, direction, sequence, offset, bytes };
}

function parseHeader(value: Record<string, unknown>): TapeHeader {
  const { format, version, session, keys, notices = [] } = value;
  if (format !== TAPE_FORMAT || typeof session !== "string" || !Array.isArray(keys) || !areNotices(notices)) {
    throw new TypeError("it does not begin as a tape does");
  }
  if (version !== TAPE_VERSION) {
    throw new TypeError(`it is of version ${String(version)}, and this bqtape reads version ${TAPE_VERSION}`);
  }
  return { type: "tape", format, version, session, keys: keys.map(parseJwk), notices };
}

function areNotices(value: unknown): value is SignedNotice[] {
  return Array.isArray(value) && value.every((each) => typeof each?.content === "string");
}

/** Whether an event has what is checked of it, in the right types. */
export function checkEvent(event: Record<string, unknown>): void {
  const { type, chain, session, exchange, request, response, heads } = event;
  if (typeof type !== "string") throw new TypeError("it is no event");
  if (session !== undefined && typeof session !== "string") throw new TypeError("its session is no text");
  if (chain !== undefined) checkLink(chain);
  if (type === "exchange.requested" && typeof exchange !== "string") throw new TypeError(NO_EXCHANGE);
  if (type === "exchange.completed" || type === "exchange.denied") {
    if (typeof exchange !== "string") throw new TypeError(NO_EXCHANGE);
    for (const body of [request, response]) checkBody(body);
  }
  if (type === "checkpoint" && heads !== undefined) {
    if (!Array.isArray(heads)) throw new TypeError("its heads are no list");
    for (const head of heads) checkHead(head);
  }
}

const NO_EXCHANGE = "it names no exchange";

function checkLink(link: unknown): void {
  const { id, previous, sequence, cut } = (link ?? {}) as Record<string, unknown>;
  const sound = typeof id === "string" && typeof previous === "string" && isCount(sequence);
  if (!sound || (cut !== undefined && typeof cut !== "string")) throw new TypeError("its place is none");
}

function checkBody(body: unknown): void {
  const { bytes, chunks, sha256 } = (body ?? {}) as Record<string, unknown>;
  if (!isCount(bytes) || !isCount(chunks)) throw new TypeError("a body without its size");
  if (sha256 !== undefined && typeof sha256 !== "string") throw new TypeError("a body's digest is no text");
}

function checkHead(head: unknown): void {
  const { id, session, sequence, hash: digest } = (head ?? {}) as Record<string, unknown>;
  const sound = typeof id === "string" && typeof session === "string" && typeof digest === "string";
  if (!sound || !isCount(sequence)) throw new TypeError("a head that is none");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
