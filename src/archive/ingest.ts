import { JournalReader } from "../recording/reader.ts";
import type { ArchiveStore } from "./store.ts";

/** A gateway worker's journal. */
export interface JournalSource {
  /** The name of its folder: `0`, `1`, … */
  readonly name: string;
  readonly directory: string;
}

/** Bytes of journal in one transaction at most: bounds what a batch holds in memory. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** The last read of a batch may begin in front of its limit. */
const MEMORY_BYTES = BATCH_BYTES + 1024 * 1024;

/** Moves what journals hold into the archive, from where it stopped the last time. */
export class Ingest {
  readonly #store: ArchiveStore;
  readonly #readers: ReadonlyMap<string, JournalReader>;

  constructor(store: ArchiveStore, journals: readonly JournalSource[]) {
    this.#store = store;
    // One batch is applied before the next is read, whichever journal it is from.
    const memory = Buffer.allocUnsafeSlow(MEMORY_BYTES);
    this.#readers = new Map(
      journals.map(({ name, directory }) => [
        name,
        new JournalReader(directory, store.checkpoint(name), memory),
      ]),
    );
  }

  /** Up to where a journal is in the archive. */
  position(name: string): number {
    return this.#readers.get(name)?.position ?? 0;
  }

  /**
   * Applies the next batch of a journal.
   *
   * @param end how far it is written, when that is known: behind it a growing file has megabytes of zeros.
   * @returns whether there was one.
   * @throws when the journal cannot be read or the archive cannot be written: begin again with a new object, from the
   * archive's checkpoint.
   */
  step(name: string, end = Number.POSITIVE_INFINITY): boolean {
    const batch = this.#readers.get(name)?.read(Math.min(BATCH_BYTES, end - this.position(name)));
    if (batch === undefined || (batch.records.length === 0 && batch.gaps.length === 0)) return false;
    this.#store.apply(name, batch);
    return true;
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
  }
}
