import type { Undescribed } from "./description.ts";
import { decompress, MessageReader } from "./storage-framing.ts";
import { tableOfWriteStream } from "./storage-methods.ts";
import { FieldScanner } from "./storage-protobuf.ts";

/** AppendRowsRequest, field 1. */
const WRITE_STREAM = 1;

/**
 * Watches the messages of an AppendRows call: each may name another stream than the first did, and what was ruled of one
 * table must not carry rows into another. A message that does so is cut before its last byte is forwarded, so BigQuery
 * never sees it whole.
 */
export class AppendWatch {
  readonly #table: string;
  readonly #encoding: string | undefined;
  readonly #reader: MessageReader;
  #scanner = new FieldScanner(WRITE_STREAM);
  #compressed: Buffer[] | undefined;
  #held = 0;
  #refusal: Undescribed | undefined;

  /** @param table the table of the first message's stream, `projects/{p}/datasets/{d}/tables/{t}` */
  constructor(table: string, encoding: string | undefined) {
    this.#table = table;
    this.#encoding = encoding;
    this.#reader = new MessageReader({
      begin: (compressed) => {
        this.#scanner = new FieldScanner(WRITE_STREAM);
        this.#compressed = compressed ? [] : undefined;
        this.#held = 0;
      },
      piece: (bytes) => this.#piece(bytes),
      end: () => this.#end(),
    });
  }

  /** Looks at the next bytes of the request; these must not be forwarded when it answers why. */
  feed(bytes: Buffer): Undescribed | undefined {
    if (!this.#reader.feed(bytes)) return refusal("this is not gRPC's framing");
    if (!this.#scanner.wellFormed)
      return refusal("a message of AppendRows is not one that this gateway can read");
    return this.#refusal;
  }

  #piece(bytes: Buffer): void {
    if (this.#compressed === undefined) {
      this.#scanner.feed(bytes);
      this.#judge();
      return;
    }
    this.#held += bytes.length;
    // It has to be whole to be looked into; uncompressed ones are not held.
    if (this.#held > MAX_COMPRESSED)
      this.#refusal = refusal("a compressed message of AppendRows is too long");
    else this.#compressed.push(Buffer.from(bytes));
  }

  #end(): void {
    if (this.#compressed !== undefined) {
      const message = decompress(Buffer.concat(this.#compressed), this.#encoding);
      this.#compressed = undefined;
      if (message !== undefined) this.#scanner.feed(message);
      else
        this.#refusal ??= refusal("a compressed message of AppendRows is not one that this gateway can read");
    }
    if (!this.#scanner.atBoundary) this.#refusal ??= refusal("a message of AppendRows is cut short");
    this.#judge();
  }

  #judge(): void {
    const stream = this.#scanner.found;
    if (stream === undefined || stream === "" || tableOfWriteStream(stream) === this.#table) return;
    this.#refusal ??= {
      status: 403,
      reason: "accessDenied",
      message: "bqtape: one AppendRows call appends to one table; open another call for another table",
    };
  }
}

/** Bytes of a compressed message at most: those are held. */
const MAX_COMPRESSED = 1024 * 1024;

function refusal(message: string): Undescribed {
  return { status: 400, reason: "invalid", message: `bqtape: ${message}` };
}
