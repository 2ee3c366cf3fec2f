import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { formatUuid } from "../../recording/uuid.ts";
import type { Part } from "./format.ts";

export type WarcField = readonly [name: string, value: string];

/** A WARC record: its own header fields but `Content-Length`, and its block. */
export interface WarcRecord {
  readonly fields: readonly WarcField[];
  readonly block: WarcBlock;
}

/** A block: a head that is held, and a payload that is read twice, once for its digests. */
export interface WarcBlock {
  readonly head: Uint8Array;
  readonly payload: () => Iterable<Uint8Array>;
}

const CRLF = Buffer.from("\r\n");

/** A block without a payload of its own. */
export function block(text: string): WarcBlock {
  return { head: Buffer.from(text), payload: () => [] };
}

/** Records one after the other. */
export async function* plain(records: AsyncIterable<WarcRecord>): AsyncGenerator<Part> {
  for await (const record of records) yield* recordBytes(record);
}

/** Each record is a gzip member of its own, so that readers can go to one (annex D). */
export async function* compressed(records: AsyncIterable<WarcRecord>): AsyncGenerator<Part> {
  for await (const record of records) {
    const gzip = createGzip();
    // Its failure is that of the gzip stream too, which is what is read here.
    const fed = pipeline(Readable.from(recordBytes(record)), gzip).catch(() => undefined);
    try {
      yield* gzip as AsyncIterable<Buffer>;
    } finally {
      gzip.destroy();
      await fed;
    }
  }
}

function* recordBytes({ fields, block }: WarcRecord): Generator<Uint8Array> {
  const { bytes, fields: measured } = measure(block, fields);
  const lines = [...fields, ...measured, ["Content-Length", String(bytes)] as const];
  const head = lines.map(([name, value]) => `${name}: ${fieldValue(value)}\r\n`).join("");
  yield Buffer.from(`WARC/1.1\r\n${head}\r\n`);
  yield block.head;
  yield* block.payload();
  yield CRLF;
  yield CRLF;
}

/** Length and digests (sections 5.8 and 5.9), in hexadecimal as the archive has them; a payload's where there can be one. */
function measure(block: WarcBlock, fields: readonly WarcField[]): { bytes: number; fields: WarcField[] } {
  const whole = createHash("sha256").update(block.head);
  const payload = createHash("sha256");
  let bytes = block.head.length;
  for (const chunk of block.payload()) {
    whole.update(chunk);
    payload.update(chunk);
    bytes += chunk.length;
  }
  const http = fields.some(
    ([name, value]) => name === "Content-Type" && value.startsWith("application/http"),
  );
  return {
    bytes,
    fields: [
      ["WARC-Block-Digest", `sha256:${whole.digest("hex")}`],
      ...(http ? [["WARC-Payload-Digest", `sha256:${payload.digest("hex")}`] as const] : []),
    ],
  };
}

/** Whatever an archive holds, a value stays one line. */
function fieldValue(value: string): string {
  return value.replaceAll(/\p{Cc}/gu, " ");
}

export function urn(uuid: string): string {
  return `<urn:uuid:${uuid}>`;
}

/** UUIDs of bqtape's names are made in this name space. */
const NAMESPACE = Buffer.from("5f1f0c7a0d2b4e0f9b1c2a6d8e4c7b31", "hex");

/** A record's id, the same whenever it is exported (RFC 9562, section 5.5: version 5). */
export function recordId(of: string, kind: string): string {
  const bytes = createHash("sha1").update(NAMESPACE).update(`${of}/${kind}`).digest();
  bytes[6] = 0x50 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return urn(formatUuid(bytes, 0));
}
