/** A text that may have been cut. */
export interface Cut {
  readonly text: string;
  readonly cut: boolean;
}

/**
 * Text for an event: well-formed Unicode, cut between code points so that its JSON takes `maxBytes` bytes of UTF-8 at
 * most. (The JSON of a control character takes six bytes, so a bound in characters would bound nothing.)
 */
export function cutText(text: string, maxBytes: number): Cut {
  if (text.length * 6 <= maxBytes) return { text: text.toWellFormed(), cut: false };
  let bytes = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.codePointAt(at) ?? 0;
    bytes += jsonBytes(code);
    if (bytes > maxBytes) return { text: text.slice(0, at).toWellFormed(), cut: true };
    at += code > 0xffff ? 2 : 1;
  }
  return { text: text.toWellFormed(), cut: false };
}

/** {@link cutText} for where the loss need not be told. */
export function short(text: string, maxBytes: number): string {
  return cutText(text, maxBytes).text;
}

/** A text on one line, for people. */
export function oneLine(text: string, maxBytes: number): string {
  if (text.length <= maxBytes - ELLIPSIS_BYTES && PRINTABLE.test(text)) return text;
  const { text: kept, cut } = cutText(text, maxBytes - ELLIPSIS_BYTES);
  const line = kept.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
  return cut ? `${line}…` : line;
}

const ELLIPSIS_BYTES = 3;
/** What takes one byte a character, and is one line as it is. */
const PRINTABLE = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** As many leading items as fit. */
export function cutList<T>(
  items: readonly T[],
  maxItems: number,
  maxBytes: number,
  bytes: (item: T) => number,
): T[] {
  const kept: T[] = [];
  let left = maxBytes;
  for (const item of items) {
    left -= bytes(item);
    if (left < 0 || kept.length === maxItems) break;
    kept.push(item);
  }
  return kept;
}

/** Bytes of a value's JSON in UTF-8. */
export function jsonLength(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** Bytes that a code point takes inside a JSON string: RFC 8259, section 7, as JSON.stringify writes it. */
function jsonBytes(code: number): number {
  if (code < 0x20) return SHORT_ESCAPES.has(code) ? 2 : 6;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code > 0xffff ? 4 : 3;
}

/** \b \t \n \f \r */
const SHORT_ESCAPES: ReadonlySet<number> = new Set([8, 9, 10, 12, 13]);
