/*
 * As much of the protocol buffers wire format ("Encoding", protobuf.dev) as it takes to find a few strings: a record is
 * a varint (number << 3 | type), then a varint (type 0), 8 bytes (1), a varint length and as many bytes (2), or 4 bytes (5).
 */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** A field's number has 29 bits, a length 31. */
const MAX_VARINT32 = 2 ** 32 - 1;

/** Called with each field of type 2: its number and its bytes, a view of the message. */
export type VisitBytes = (number: number, bytes: Buffer) => void;

/** Goes through the top level of a message; `false` when it is no well-formed one. Nothing is copied. */
export function visitBytes(message: Buffer, visit: VisitBytes): boolean {
  const at = { offset: 0 };
  while (at.offset < message.length) {
    const tag = readVarint(message, at);
    if (tag === undefined || tag > MAX_VARINT32 || tag >>> 3 === 0) return false;
    const type = tag & 7;
    const length =
      type === FIXED64 ? 8 : type === FIXED32 ? 4 : type === BYTES ? readVarint(message, at) : undefined;
    if (type === VARINT) {
      if (readVarint(message, at) === undefined) return false;
      continue;
    }
    if (length === undefined || length > message.length - at.offset) return false;
    if (type === BYTES) visit(tag >>> 3, message.subarray(at.offset, at.offset + length));
    at.offset += length;
  }
  return true;
}

/** Values over 2^53 lose precision, which only values that are skipped may have. */
function readVarint(message: Buffer, at: { offset: number }): number | undefined {
  let value = 0;
  for (let factor = 1, count = 0; count < 10; count += 1, factor *= 128) {
    const byte = message[at.offset];
    if (byte === undefined) return undefined;
    at.offset += 1;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  return undefined;
}

/** Bytes of a string that a {@link FieldScanner} collects at most; names of BigQuery's resources are far shorter. */
const MAX_COLLECTED = 4096;

type Expect = "tag" | "varint" | "length" | "skip" | "collect";

/**
 * Finds one string field at the top level of a message that is never held whole: pieces are fed as they pass. A field
 * that comes twice is not well-formed here, though protobuf takes the last: who reads first must know what is meant.
 */
export class FieldScanner {
  readonly #wanted: number;
  #expect: Expect = "tag";
  #value = 0;
  #count = 0;
  #number = 0;
  #left = 0;
  #collected: Buffer[] | undefined;
  #failed = false;

  constructor(wanted: number) {
    this.#wanted = wanted;
  }

  /** Whether the bytes so far can be the beginning of a message. */
  get wellFormed(): boolean {
    return !this.#failed;
  }

  /** The field's value when it is complete. */
  get found(): string | undefined {
    if (this.#collected === undefined || this.#expect === "collect") return undefined;
    return Buffer.concat(this.#collected).toString("utf8");
  }

  /** Whether the message may end here. */
  get atBoundary(): boolean {
    return this.#expect === "tag" && this.#count === 0 && !this.#failed;
  }

  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.#failed; ) {
      if (this.#expect === "skip" || this.#expect === "collect") {
        const piece = bytes.subarray(at, at + this.#left);
        // A copy: what is collected must not hold the whole chunk.
        if (this.#expect === "collect") this.#collected?.push(Buffer.from(piece));
        at += piece.length;
        this.#left -= piece.length;
        if (this.#left === 0) this.#expect = "tag";
      } else {
        this.#varintByte(bytes[at] ?? 0);
        at += 1;
      }
    }
  }

  #varintByte(byte: number): void {
    this.#value += (byte & 0x7f) * 128 ** this.#count;
    this.#count += 1;
    if (byte >= 0x80) {
      this.#failed = this.#count >= 10;
      return;
    }
    const value = this.#value;
    this.#value = this.#count = 0;
    if (this.#expect === "tag") this.#tag(value);
    else if (this.#expect === "varint") this.#expect = "tag";
    else this.#length(value);
  }

  #tag(tag: number): void {
    this.#number = tag >>> 3;
    const type = tag & 7;
    if (tag > MAX_VARINT32 || this.#number === 0) this.#failed = true;
    else if (type === VARINT) this.#expect = "varint";
    else if (type === BYTES) this.#expect = "length";
    else if (type === FIXED64 || type === FIXED32) this.#skip(type === FIXED64 ? 8 : 4);
    else this.#failed = true;
  }

  #length(length: number): void {
    if (this.#number !== this.#wanted) {
      this.#skip(length);
    } else if (length > MAX_COLLECTED || this.#collected !== undefined) {
      this.#failed = true;
    } else {
      this.#collected = [];
      this.#left = length;
      this.#expect = length === 0 ? "tag" : "collect";
    }
  }

  #skip(length: number): void {
    this.#left = length;
    this.#expect = length === 0 ? "tag" : "skip";
  }
}
