/** Sizes are powers of two from this one on. */
const SMALLEST = 32 * 1024;

/**
 * Buffers that are used again: V8 marks its whole heap each time some 20 MB of new ones were made, and a page of memory that
 * nobody touched before costs as much as to write it ten times.
 */
export class BufferPool {
  readonly #idle = new Map<number, Buffer[]>();
  readonly #most: number;
  #bytes = 0;

  /** @param most bytes that are kept for later. */
  constructor(most: number) {
    this.#most = most;
  }

  /** A buffer of at least so many bytes, whatever they are. */
  take(bytes: number): Buffer {
    let size = SMALLEST;
    while (size < bytes) size *= 2;
    const idle = this.#idle.get(size)?.pop();
    if (idle === undefined) return Buffer.allocUnsafeSlow(size);
    this.#bytes -= size;
    return idle;
  }

  /** Takes back what {@link take} gave; nobody may look at it any more. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (this.#bytes + size > this.#most) return;
    this.#bytes += size;
    const idle = this.#idle.get(size);
    if (idle === undefined) this.#idle.set(size, [buffer]);
    else idle.push(buffer);
  }
}
