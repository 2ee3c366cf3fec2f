import { createHash } from "node:crypto";
import type { Partition } from "../../delivery/kafka/consume.ts";
import type { Row } from "./rows.ts";
import { Spool } from "./spool.ts";
import { TABLE_NAMES, type TableName } from "./tables.ts";

/** The label of a load job that says behind which offset its batch ends. */
export const NEXT_LABEL = "bqtape-next";

/** A partition's records from one offset to before another, as rows on their way. */
export class Batch {
  readonly partition: Partition;
  readonly first: number;
  /** In milliseconds of the monotonic clock. */
  readonly since = performance.now();
  /** Where it has to end, neither before nor behind, when some of it was loaded by an earlier reader. */
  readonly end: number | undefined;
  readonly #digest: string;
  readonly #directory: string;
  readonly #spools = new Map<TableName, Spool>();
  #next: number;

  /**
   * @param digest of its first record, as {@link digestOf}.
   * @param directory where its rows are kept meanwhile.
   */
  constructor(
    partition: Partition,
    first: number,
    digest: string,
    directory: string,
    end: number | undefined,
  ) {
    this.partition = partition;
    this.first = first;
    this.end = end;
    this.#digest = digest;
    this.#directory = directory;
    this.#next = first;
  }

  /** The offset behind its last record. */
  get next(): number {
    return this.#next;
  }

  /** Whether it may end where it stands. */
  get mayEnd(): boolean {
    return this.end === undefined || this.#next >= this.end;
  }

  get bytes(): number {
    let bytes = 0;
    for (const spool of this.#spools.values()) bytes += spool.bytes;
    return bytes;
  }

  add(rows: Iterable<{ readonly table: TableName; readonly row: Row }>, next: number): void {
    const lines = new Map<TableName, string[]>();
    for (const { table, row } of rows) {
      const known = lines.get(table) ?? [];
      known.push(JSON.stringify(row));
      lines.set(table, known);
    }
    for (const [table, each] of lines) {
      const spool = this.#spools.get(table) ?? new Spool(this.#directory);
      this.#spools.set(table, spool);
      spool.append(each);
    }
    this.#next = next;
  }

  /** What there is to load. */
  *loads(dataset: string) {
    const labels = { [NEXT_LABEL]: String(this.#next) };
    for (const [table, rows] of this.#spools)
      yield { table, rows, labels, id: jobId(table, dataset, this.#digest) };
  }

  close(): void {
    for (const spool of this.#spools.values()) spool.close();
  }
}

/** The ids that jobs of a batch have which begins with a record. */
export function jobIds(dataset: string, digest: string): string[] {
  return TABLE_NAMES.map((table) => jobId(table, dataset, digest));
}

function jobId(table: TableName, dataset: string, digest: string): string {
  const name = createHash("sha256").update(`${dataset}\n${digest}`).digest("hex").slice(0, 40);
  return `bqtape_${table}_${name}`;
}

/**
 * Stands for a record in its place: what begins with the same record at the same offset is the same batch. The record's own
 * bytes count too, since topics are made anew under old names, and other clusters have topics of the same name.
 */
export function digestOf(
  { topic, partition }: Partition,
  { offset, key, value }: { readonly offset: number; readonly key: unknown; readonly value: unknown },
): string {
  const hash = createHash("sha256").update(`${topic}\n${partition}\n${offset}\n`);
  for (const part of [key, value]) {
    if (typeof part === "string" || part instanceof Uint8Array) hash.update(part);
    hash.update("\n");
  }
  return hash.digest("hex");
}
