import { type JournalError, journalError } from "./errors.ts";
import {
  type Appended,
  bodyRoom,
  encodeBody,
  encodeEvent,
  eventRoom,
  fitsBody,
  fitsEvent,
  isCopied,
  MAX_PAYLOAD,
} from "./frame.ts";
import { eventJson } from "./serialize.ts";

/** Bytes of a page. */
const PAGE = 64 * 1024;

/** Buffers to write with one call. */
export interface Batch {
  readonly buffers: readonly Uint8Array[];
  readonly bytes: number;
}

/**
 * Frames on their way to the disk, in order. Small ones are made side by side on one page, so that they are written as one
 * buffer; the page is used again when all is written: a megabyte of new memory a second would keep the garbage collector busy.
 */
export class Outbox {
  readonly #page = Buffer.allocUnsafeSlow(PAGE);
  /** The page is used up to here, and what is before {@link #run} lies in the buffers. */
  #used = 0;
  #run = 0;
  #buffers: Uint8Array[] = [];
  #bytes = 0;

  /** Bytes that are not written yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a record's frame. A large body is not copied: its bytes must not change until they are written.
   *
   * @throws {JournalError} `too-long`, and nothing is added: no reader would go past it to what is behind.
   */
  add(record: Appended): void {
    if (record.kind !== "body") {
      const json = record.kind === "json" ? record.json : eventJson(record.event);
      if (!fitsEvent(json)) throw tooLong();
      const room = eventRoom(json);
      const own = this.#ownBuffer(room);
      if (own === undefined) this.#took(encodeEvent(json, this.#page, this.#used));
      else this.#push(own.subarray(0, encodeEvent(json, own, 0)));
      return;
    }
    const { chunk } = record;
    if (!fitsBody(chunk)) throw tooLong();
    const own = this.#ownBuffer(bodyRoom(chunk));
    if (own === undefined) this.#took(encodeBody(chunk, this.#page, this.#used));
    else this.#push(own.subarray(0, encodeBody(chunk, own, 0)));
    if (!isCopied(chunk)) this.#push(chunk.bytes);
  }

  /** What is to be written first: as many whole buffers as the limits allow, one at least. Ends with {@link written}. */
  batch(maxBuffers: number, maxBytes: number): Batch {
    this.#endRun();
    let count = 0;
    let bytes = 0;
    while (count < this.#buffers.length && count < maxBuffers && bytes < maxBytes) {
      bytes += this.#buffers[count]?.length ?? 0;
      count += 1;
    }
    return { buffers: this.#buffers.slice(0, count), bytes };
  }

  /** What {@link batch} gave last is written. */
  written({ buffers, bytes }: Batch): void {
    this.#bytes -= bytes;
    this.#buffers.splice(0, buffers.length);
    if (this.#bytes === 0) this.#used = this.#run = 0;
  }

  /** A buffer for a frame that the page has no room for. */
  #ownBuffer(bytes: number): Buffer | undefined {
    return this.#used + bytes > PAGE ? Buffer.allocUnsafe(bytes) : undefined;
  }

  #took(end: number): void {
    this.#bytes += end - this.#used;
    this.#used = end;
  }

  #push(buffer: Uint8Array): void {
    this.#endRun();
    this.#buffers.push(buffer);
    this.#bytes += buffer.length;
  }

  #endRun(): void {
    if (this.#run === this.#used) return;
    this.#buffers.push(this.#page.subarray(this.#run, this.#used));
    this.#run = this.#used;
  }
}

function tooLong(): JournalError {
  return journalError("too-long", `a record has at most ${MAX_PAYLOAD} bytes`);
}
