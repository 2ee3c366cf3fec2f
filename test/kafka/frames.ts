/** Cuts a stream into Kafka's frames, 4 bytes of length and what they count, wherever its chunks end. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole now, lengths included. */
  push(chunk: Buffer): Buffer[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const whole: Buffer[] = [];
    while (bytes.length >= 4) {
      const length = 4 + bytes.readInt32BE(0);
      if (bytes.length < length) break;
      whole.push(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
    }
    this.#rest = bytes;
    return whole;
  }
}

export interface RequestHead {
  readonly apiKey: number;
  readonly correlationId: number;
}

/** Request header: api_key INT16, api_version INT16, correlation_id INT32, in all versions. */
export function requestHead(frame: Buffer): RequestHead {
  return { apiKey: frame.readInt16BE(4), correlationId: frame.readInt32BE(8) };
}

/** Response header: correlation_id INT32, in all versions. */
export function responseCorrelation(frame: Buffer): number {
  return frame.readInt32BE(4);
}

export const PRODUCE = 0;
