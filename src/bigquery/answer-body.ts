import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync } from "node:zlib";

/** Bytes of a decoded answer that are looked at; BigQuery's own pages end near 10 MB, but nothing else bounds a body. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** An answer's JSON as far as it is there. */
export interface AnswerJson {
  readonly value: unknown;
  /** The value stops where the bytes or {@link MAX_ANSWER_BYTES} did: the last element of each open list may be part. */
  readonly truncated: boolean;
}

/**
 * The JSON in a response body.
 *
 * @param contentEncoding the header's value; absent means `identity`.
 * @param whole false when `body` is only the beginning of what was sent. Default true.
 * @returns undefined when the bytes are not that encoding, or not JSON. Never throws.
 */
export function parseAnswer(
  contentEncoding: string | undefined,
  body: Uint8Array,
  whole = true,
): AnswerJson | undefined {
  const decoded = decodeContent(contentEncoding, body);
  if (decoded === undefined) return undefined;
  const text = Buffer.from(decoded.bytes.buffer, decoded.bytes.byteOffset, decoded.bytes.length).toString();
  if (whole && !decoded.truncated) {
    const value = parseJson(text);
    return value === undefined ? undefined : { value, truncated: false };
  }
  const value = parseJson(closeJsonPrefix(text));
  return value === undefined ? undefined : { value, truncated: true };
}

/** An answer's JSON without its rows, which are counted instead: most of an answer is rows, and making them costs most. */
export interface Skimmed extends AnswerJson {
  /** Elements of the top-level list `rows`; undefined when there is none, or not all of it is there. */
  readonly rows: number | undefined;
}

/** As {@link parseAnswer}, but with `rows` left empty. */
export function skimAnswer(
  contentEncoding: string | undefined,
  body: Uint8Array,
  whole = true,
): Skimmed | undefined {
  const decoded = decodeContent(contentEncoding, body);
  if (decoded === undefined) return undefined;
  const { bytes } = decoded;
  const truncated = decoded.truncated || !whole;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const list = findRows(buffer);
  const text =
    list === undefined
      ? buffer.toString()
      : `${buffer.toString("utf8", 0, list.start)}[]${buffer.toString("utf8", list.end)}`;
  const value = parseJson(truncated ? closeJsonPrefix(text) : text);
  if (value === undefined) return undefined;
  return { value, truncated, rows: list?.closed === true ? list.count : undefined };
}

interface Decoded {
  readonly bytes: Uint8Array;
  readonly truncated: boolean;
}

type Decoder = (body: Uint8Array) => Uint8Array;

// The flush modes make the decoders give what they have when the input ends early, as an aborted answer's does.
const zlibOptions = (body: Uint8Array) => ({
  maxOutputLength: MAX_ANSWER_BYTES,
  finishFlush: constants.Z_SYNC_FLUSH,
  chunkSize: chunkSizeFor(body),
});
const brotliOptions = (body: Uint8Array) => ({
  maxOutputLength: MAX_ANSWER_BYTES,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
  chunkSize: chunkSizeFor(body),
});

/** Most answers are small: output buffers of the default 16 KiB cost a third of their decoding. */
function chunkSizeFor(body: Uint8Array): number {
  return Math.min(Math.max(body.length * 4, 4_096), 262_144);
}

const DECODERS: Readonly<Record<string, Decoder>> = {
  gzip: (body) => gunzipSync(body, zlibOptions(body)),
  "x-gzip": (body) => gunzipSync(body, zlibOptions(body)),
  // RFC 9110, section 8.4.1.2: "deflate" is zlib's format, but some senders leave its two-byte wrapper off.
  deflate: (body) =>
    ((body[0] ?? 0) & 0x0f) === 8
      ? inflateSync(body, zlibOptions(body))
      : inflateRawSync(body, zlibOptions(body)),
  br: (body) => brotliDecompressSync(body, brotliOptions(body)),
};

/**
 * Undoes a content encoding, up to {@link MAX_ANSWER_BYTES} of output whatever the input expands to.
 *
 * @returns undefined when the bytes are not that encoding, or the encoding is not known.
 */
export function decodeContent(contentEncoding: string | undefined, body: Uint8Array): Decoded | undefined {
  const encoding = contentEncoding?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity" || encoding === "") {
    return { bytes: body.subarray(0, MAX_ANSWER_BYTES), truncated: body.length > MAX_ANSWER_BYTES };
  }
  const decode = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (decode === undefined) return undefined;
  // The decoders give all or nothing, so one that passes the bound is asked again for a shorter beginning.
  for (let length = body.length; ; length = Math.floor(length / 2)) {
    try {
      return { bytes: decode(body.subarray(0, length)), truncated: length < body.length };
    } catch (error) {
      const tooLong = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
      if (!tooLong || length < 2) return undefined;
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Cuts JSON that ends early behind its last whole element, and closes what is open there. */
export function closeJsonPrefix(text: string): string {
  const cut = scan(text, text.length).lastCut;
  const { open } = scan(text, cut);
  return text.slice(0, cut) + open.reverse().join("");
}

interface List {
  /** Of its opening bracket. */
  readonly start: number;
  /** Behind its closing bracket, or where the bytes end. */
  readonly end: number;
  readonly count: number;
  readonly closed: boolean;
}

/** The list that is the value of the top-level key `rows`. */
function findRows(json: Buffer): List | undefined {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json[at];
    if (code === QUOTE) {
      const start = at;
      at = endOfString(json, at);
      if (depth !== 1 || at - start !== 5 || json.toString("latin1", start, at + 1) !== '"rows"') continue;
      const colon = skipSpace(json, at + 1);
      const open = skipSpace(json, colon + 1);
      if (json[colon] === COLON && json[open] === OPEN_LIST) return measureList(json, open);
    } else if (code === OPEN_OBJECT || code === OPEN_LIST) depth += 1;
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) depth -= 1;
  }
  return undefined;
}

function measureList(json: Buffer, start: number): List {
  const empty = json[skipSpace(json, start + 1)] === CLOSE_LIST;
  let count = empty ? 0 : 1;
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const code = json[at];
    if (code === QUOTE) at = endOfString(json, at);
    else if (code === COMMA) count += depth === 1 ? 1 : 0;
    else if (code === OPEN_OBJECT || code === OPEN_LIST) depth += 1;
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      depth -= 1;
      if (depth === 0) return { start, end: at + 1, count, closed: true };
    }
  }
  return { start, end: json.length, count, closed: false };
}

/** Where the string that begins at `at` has its closing quote. */
function endOfString(json: Buffer, at: number): number {
  let end = at + 1;
  for (; end < json.length && json[end] !== QUOTE; end++) if (json[end] === BACKSLASH) end += 1;
  return end;
}

function skipSpace(json: Buffer, at: number): number {
  let next = at;
  for (let code = json[next]; code === 0x20 || (code !== undefined && code >= 9 && code <= 13); ) {
    next += 1;
    code = json[next];
  }
  return next;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** The closing brackets due at `end`, and the last position before it where text may be cut and closed. */
function scan(text: string, end: number): { open: string[]; lastCut: number } {
  const open: string[] = [];
  let lastCut = 0;
  let inString = false;
  for (let at = 0; at < end; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === COMMA) lastCut = at;
    else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      open.push(code === OPEN_OBJECT ? "}" : "]");
      lastCut = at + 1;
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      open.pop();
      lastCut = at + 1;
    }
  }
  return { open, lastCut };
}
