import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib";

/** Bytes that a body may have when its content encoding is undone: beyond, it is taken for a bomb and left as it is. */
const MAX_DECODED_BYTES = 4 * 1024 * 1024 * 1024;

type Flush = { readonly finishFlush?: number };

const DECODERS: Readonly<Record<string, (first: number, lenient: boolean) => Transform>> = {
  gzip: (_first, lenient) => createGunzip(zlibFlush(lenient)),
  "x-gzip": (_first, lenient) => createGunzip(zlibFlush(lenient)),
  // RFC 9110, section 8.4.1.2: "deflate" is zlib's format, but some senders leave its two-byte wrapper off.
  deflate: (first, lenient) =>
    (first & 0x0f) === 8 ? createInflate(zlibFlush(lenient)) : createInflateRaw(zlibFlush(lenient)),
  br: (_first, lenient) =>
    createBrotliDecompress(lenient ? { finishFlush: constants.BROTLI_OPERATION_FLUSH } : {}),
};

function zlibFlush(lenient: boolean): Flush {
  return lenient ? { finishFlush: constants.Z_SYNC_FLUSH } : {};
}

/** The content codings of a body (RFC 9110, section 8.4.1), or undefined when it has none. */
export function contentCoding(header: string | undefined): string | undefined {
  const coding = header?.trim().toLowerCase() ?? "";
  return coding === "" || coding === "identity" ? undefined : coding;
}

/**
 * Undoes a content coding as the bytes come, so that a body's size does not matter.
 *
 * @param coding as {@link contentCoding} gives it.
 * @param lenient whether bytes that end early are no error, as those of an aborted answer do.
 * @throws when the bytes are not that coding, or expand beyond all reason, or the coding is not known.
 */
export async function* decoded(
  chunks: Iterable<Uint8Array>,
  coding: string | undefined,
  lenient: boolean,
): AsyncGenerator<Uint8Array> {
  if (coding === undefined) {
    yield* chunks;
    return;
  }
  const decoder = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
  if (decoder === undefined) throw new TypeError(`no content coding is known as ${coding}`);
  const source = chunks[Symbol.iterator]();
  const first = source.next();
  if (first.done === true) return;
  const transform = decoder(first.value[0] ?? 0, lenient);
  let length = 0;
  // Its failure is the transform's too, which is what is read here.
  const fed = pipeline(Readable.from(rest(first.value, source)), transform).catch(() => undefined);
  try {
    for await (const bytes of transform as AsyncIterable<Buffer>) {
      length += bytes.length;
      if (length > MAX_DECODED_BYTES) throw new RangeError(`more than ${MAX_DECODED_BYTES} bytes`);
      yield bytes;
    }
  } finally {
    transform.destroy();
    await fed;
  }
}

function* rest(first: Uint8Array, source: Iterator<Uint8Array>): Generator<Uint8Array> {
  try {
    yield first;
    for (let next = source.next(); next.done !== true; next = source.next()) yield next.value;
  } finally {
    source.return?.();
  }
}
