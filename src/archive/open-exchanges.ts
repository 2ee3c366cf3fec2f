/** The beginnings of exchanges that have not ended, in memory, so that an end seldom has to read the archive. */
export class OpenExchanges {
  #open = new Map<string, { readonly operation: string; chunks: Uint8Array[]; bytes: number }>();
  #bytes = 0;

  begin(exchange: string, operation: string): void {
    if (this.#open.has(exchange)) return;
    this.#open.set(exchange, { operation, chunks: [], bytes: 0 });
    if (this.#open.size > MAX_EXCHANGES) this.#dropOldest();
  }

  /** Keeps a copy of a response chunk. */
  chunk(exchange: string, bytes: Uint8Array): void {
    const entry = this.#open.get(exchange);
    if (entry === undefined) return;
    if (entry.bytes + bytes.length > MAX_BODY_BYTES) {
      this.#forget(exchange);
      return;
    }
    // The chunk is a view of the reader's buffer, which is a thousand times larger than most chunks.
    entry.chunks.push(Buffer.from(bytes));
    entry.bytes += bytes.length;
    this.#bytes += bytes.length;
    while (this.#bytes > MAX_TOTAL_BYTES) this.#dropOldest();
  }

  /** Takes out what is known of an exchange; undefined when that is not all. */
  end(exchange: string): { operation: string; chunks: readonly Uint8Array[] } | undefined {
    const entry = this.#open.get(exchange);
    this.#forget(exchange);
    return entry;
  }

  clear(): void {
    this.#open = new Map();
    this.#bytes = 0;
  }

  /**
   * Moves to a new table, now and then. V8's hash tables point to the table that replaced them, so that what has gone through
   * one that changes all the time is kept alive from one collection to the next: 150 MiB were seen.
   */
  renew(): void {
    this.#open = new Map(this.#open);
  }

  #dropOldest(): void {
    for (const exchange of this.#open.keys()) {
      this.#forget(exchange);
      return;
    }
  }

  #forget(exchange: string): void {
    this.#bytes -= this.#open.get(exchange)?.bytes ?? 0;
    this.#open.delete(exchange);
  }
}

const MAX_EXCHANGES = 10_000;
/** A larger body is read back from the archive: that is cheap beside its size. */
const MAX_BODY_BYTES = 256 * 1024;
const MAX_TOTAL_BYTES = 16 * 1024 * 1024;
