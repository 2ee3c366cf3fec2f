import { gunzipSync, inflateSync } from "node:zlib";

/*
 * gRPC's framing ("gRPC over HTTP2", Length-Prefixed-Message): a byte that says whether the message is compressed, its
 * length as a big-endian u32, the message.
 */
export const MESSAGE_PREFIX = 5;
/** Longer messages are no sound ones: BigQuery takes up to 20 MB for AppendRows, and sends less. */
export const MAX_MESSAGE = 32 * 1024 * 1024;

/** Told of the messages in a stream of bytes, piece by piece. */
export interface MessageVisitor {
  begin(compressed: boolean, length: number): void;
  /** A view of the chunk that was fed. */
  piece(bytes: Buffer): void;
  end(): void;
}

/** Finds where messages begin and end in a stream of bytes, wherever it is cut; holds none of them. */
export class MessageReader {
  readonly #visitor: MessageVisitor;
  readonly #prefix = Buffer.alloc(MESSAGE_PREFIX);
  #prefixed = 0;
  #left = 0;

  constructor(visitor: MessageVisitor) {
    this.#visitor = visitor;
  }

  /** @returns whether this can be gRPC's framing; if not, the reader is of no more use. */
  feed(bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length; ) {
      if (this.#prefixed < MESSAGE_PREFIX) {
        const copied = bytes.copy(this.#prefix, this.#prefixed, at, at + MESSAGE_PREFIX - this.#prefixed);
        this.#prefixed += copied;
        at += copied;
        if (this.#prefixed < MESSAGE_PREFIX) continue;
        const flag = this.#prefix.readUInt8(0);
        this.#left = this.#prefix.readUInt32BE(1);
        if (flag > 1 || this.#left > MAX_MESSAGE) return false;
        this.#visitor.begin(flag === 1, this.#left);
      } else {
        const piece = bytes.subarray(at, at + this.#left);
        this.#visitor.piece(piece);
        at += piece.length;
        this.#left -= piece.length;
      }
      if (this.#left === 0) {
        this.#prefixed = 0;
        this.#visitor.end();
      }
    }
    return true;
  }
}

/** Bytes that a stream's first message takes with its prefix; `undefined` while that cannot be told. */
export function firstMessageLength(bytes: Buffer): number | undefined {
  return bytes.length < MESSAGE_PREFIX ? undefined : MESSAGE_PREFIX + bytes.readUInt32BE(1);
}

/**
 * The message that begins a body, as its sender meant it.
 *
 * @param encoding `grpc-encoding`
 * @returns `undefined` when it is not whole, or compressed in a way that the gateway cannot look into.
 */
export function firstMessage(body: Buffer, encoding: string | undefined): Buffer | undefined {
  const length = firstMessageLength(body);
  if (length === undefined || length > body.length || (body[0] ?? 0) > 1) return undefined;
  const message = body.subarray(MESSAGE_PREFIX, length);
  return body[0] === 0 ? message : decompress(message, encoding);
}

/** @returns `undefined` when it is damaged, too long, or in an encoding other than gzip and deflate. */
export function decompress(message: Buffer, encoding: string | undefined): Buffer | undefined {
  try {
    if (encoding === "gzip") return gunzipSync(message, { maxOutputLength: MAX_MESSAGE });
    if (encoding === "deflate") return inflateSync(message, { maxOutputLength: MAX_MESSAGE });
    return undefined;
  } catch {
    return undefined;
  }
}
