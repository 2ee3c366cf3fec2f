import type { DatabaseSync } from "node:sqlite";
import { zstdDecompressSync } from "node:zlib";
import { decodeFrame, FRAME_HEADER, type JournalRecord, MAX_PAYLOAD } from "../../recording/frame.ts";
import { ArchiveError, isDamage } from "../errors.ts";
import type { ScopeKeys } from "./keys.ts";
import { unseal } from "./seal.ts";
import { placeOf } from "./writer.ts";

/** A block is closed by the frame that makes it long enough, whose own length is bounded. */
const MAX_BLOCK_BYTES = 1024 * 1024 + FRAME_HEADER + MAX_PAYLOAD;

/** A block that cannot be read: what is in it is lost, or was tampered with. */
export interface DamagedBlock {
  readonly id: number;
  readonly scope: string;
  readonly problem: string;
}

/** A block that was read. */
class Block {
  readonly id: number;
  readonly records: readonly JournalRecord[];
  #byExchange: Map<string, JournalRecord[]> | undefined;

  constructor(id: number, records: readonly JournalRecord[]) {
    this.id = id;
    this.records = records;
  }

  ofExchange(exchange: string): readonly JournalRecord[] {
    this.#byExchange ??= Map.groupBy(this.records, exchangeOf);
    return this.#byExchange.get(exchange) ?? [];
  }
}

/** Empty of records that belong to no exchange. */
function exchangeOf(record: JournalRecord): string {
  if (record.kind === "body") return record.chunk.exchange;
  return "exchange" in record.event ? record.event.exchange : "";
}

/** Blocks that are kept, which have a megabyte each: an exchange's parts lie near each other, but not always in one. */
const KEPT = 8;

/** Blocks' records. Some blocks are kept, as who reads goes on in them more often than not. */
export class BlockReader {
  readonly #keys: ScopeKeys;
  readonly #next;
  readonly #content;
  readonly #onDamage: (block: DamagedBlock) => void;
  #kept: readonly Block[] = [];

  /** @param onDamage told of blocks that cannot be read, which are passed over. Default: an error is thrown. */
  constructor(
    database: DatabaseSync,
    keys: ScopeKeys,
    onDamage: (block: DamagedBlock) => void = refuseDamage,
  ) {
    this.#keys = keys;
    this.#onDamage = onDamage;
    this.#next = database.prepare(
      "SELECT id FROM blocks WHERE scope = ? AND id > ? AND id <= ? ORDER BY id LIMIT 1",
    );
    // Key and content in one look: between two, another process may have sealed the block anew.
    this.#content = database.prepare(
      `SELECT b.content, b.sealed, b.key, k.wrapped FROM blocks b LEFT JOIN scope_keys k
       ON k.id = b.key AND k.scope = b.scope WHERE b.id = ?`,
    );
  }

  /**
   * A scope's records, in the order in which they came; those of the blocks from `first` to `last`. Their bytes are views of a
   * block's memory, which lives as long as they do.
   *
   * @throws {ArchiveError} when a block cannot be read, unless told otherwise. Of a key that was destroyed nothing comes.
   */
  *records(scope: string, first?: number, last?: number): Generator<JournalRecord> {
    for (const block of this.#blocks(scope, first, last)) yield* block.records;
  }

  /** Likewise, those of one exchange. */
  *ofExchange(exchange: string, scope: string, first?: number, last?: number): Generator<JournalRecord> {
    for (const block of this.#blocks(scope, first, last)) yield* block.ofExchange(exchange);
  }

  /** Forgets what was read: blocks were changed. */
  discard(): void {
    this.#kept = [];
  }

  *#blocks(scope: string, first = 0, last = Number.MAX_SAFE_INTEGER): Generator<Block> {
    // By ids, each by itself: a statement that is still stepping would keep its snapshot, and with it the log, as long as
    // somebody reads.
    for (let id = first - 1; ; ) {
      id = Number(this.#next.get(scope, id, last)?.id ?? Number.NaN);
      if (Number.isNaN(id)) return;
      const block = this.#blockOf(id, scope);
      if (block !== undefined) yield block;
    }
  }

  #blockOf(id: number, scope: string): Block | undefined {
    const known = this.#kept.find((block) => block.id === id);
    if (known !== undefined) return known;
    const records = this.#read(id, scope);
    if (typeof records === "string") this.#onDamage({ id, scope, problem: records });
    if (typeof records !== "object") return undefined;
    const block = new Block(id, records);
    this.#kept = [block, ...this.#kept.slice(0, KEPT - 1)];
    return block;
  }

  /** A block's records, or why they cannot be read; undefined when it is gone, or its key is. */
  #read(id: number, scope: string): readonly JournalRecord[] | string | undefined {
    try {
      const row = this.#content.get(id);
      const key = row === undefined ? undefined : this.#keys.open(Number(row.key), scope, row.wrapped);
      if (key === undefined || row === undefined) return undefined;
      return decodeBlock(key, id, scope, row.sealed, Number(row.content));
    } catch (error) {
      if (isDamage(error)) return "the file is damaged where it lies";
      // The archive's master key was found to be right when it was opened.
      if (error instanceof ArchiveError && error.code === "wrong-key") return "its key was changed";
      throw error;
    }
  }
}

/** A block's records, or why there are none. */
export function decodeBlock(
  key: Buffer,
  id: number,
  scope: string,
  sealed: unknown,
  length: number,
): readonly JournalRecord[] | string {
  const compressed = sealed instanceof Uint8Array ? unseal(key, placeOf(id, scope), sealed) : undefined;
  if (compressed === undefined) return "it was changed, or moved from elsewhere";
  let content: Buffer;
  try {
    content = zstdDecompressSync(compressed, { maxOutputLength: MAX_BLOCK_BYTES });
  } catch {
    return "it cannot be decompressed";
  }
  if (content.length !== length) return `it has ${content.length} bytes where ${length} are said to be`;
  const records: JournalRecord[] = [];
  for (let at = 0; at < content.length; ) {
    const decoded = decodeFrame(content, at);
    if (decoded.state !== "record") return `byte ${at} of it begins no record`;
    records.push(decoded.record);
    at += decoded.length;
  }
  return records;
}

/** What is done about a damaged block when nothing else is said. @throws {ArchiveError} */
export function refuseDamage({ id, scope, problem }: DamagedBlock): never {
  throw new ArchiveError("failed", `block ${id} of ${scope} in the archive cannot be read: ${problem}`);
}
