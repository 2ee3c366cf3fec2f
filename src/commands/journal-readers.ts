import { readCheckpoints } from "../archive/archive.ts";
import { readDelivered } from "../delivery/delivered.ts";

/** What reads journals: each may be switched off. */
export type JournalReaderName = "archive" | "delivery";

/** Knows how far a journal's readers have come, and so what none of them needs any more. */
export class JournalReaders {
  readonly #names: readonly JournalReaderName[];
  readonly #positions = new Map<string, Map<JournalReaderName, number>>();

  /** @param names those that are switched on; of one that has not said anything nothing is known, so all is kept for it. */
  constructor(names: readonly JournalReaderName[]) {
    this.#names = names;
  }

  /**
   * Notes that a reader needs nothing of a journal in front of a position.
   *
   * @returns up to where the journal may be unlinked: the position of the slowest.
   */
  passed(journal: string, reader: JournalReaderName, position: number): number {
    const positions = this.#positions.get(journal) ?? new Map<JournalReaderName, number>();
    this.#positions.set(journal, positions);
    positions.set(reader, Math.max(position, positions.get(reader) ?? 0));
    return Math.min(...this.#names.map((name) => positions.get(name) ?? 0));
  }
}

/**
 * Positions that any reader of a journal has come to, by the journals' names. A journal that lost its end goes on behind
 * that: what is recorded at positions that a reader knows already, the reader would never see.
 */
export function furthestRead(dataDir: string): ReadonlyMap<string, number> {
  const furthest = new Map(readCheckpoints(dataDir));
  for (const [name, position] of readDelivered(dataDir)) {
    furthest.set(name, Math.max(position, furthest.get(name) ?? 0));
  }
  return furthest;
}
