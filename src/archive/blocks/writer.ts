import type { DatabaseSync } from "node:sqlite";
import { constants, zstdCompressSync } from "node:zlib";
import { BufferPool } from "../../recording/buffer-pool.ts";
import { frameOf } from "../../recording/frame.ts";
import type { Positioned } from "../../recording/reader.ts";
import type { ScopeKeys } from "./keys.ts";
import { seal } from "./seal.ts";

/** Bytes of frames from which on a block is closed. */
const BLOCK_BYTES = 1024 * 1024;
const FIRST_BYTES = 32 * 1024;

/** Bytes of idle memory that are kept: what a batch's blocks have together. */
const pool = new BufferPool(16 * 1024 * 1024);

/** Level 1 takes a third of the default level's time, and a tenth more space. */
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Where a block belongs, for {@link seal}. */
export function placeOf(id: number, scope: string): string {
  return `block ${id} of ${scope}`;
}

/** What lies in a block's row: its frames, compressed and sealed. */
export function sealBlock(key: Buffer, id: number, scope: string, frames: Buffer): Buffer {
  return seal(key, placeOf(id, scope), zstdCompressSync(frames, COMPRESSION));
}

interface OpenBlock {
  readonly id: number;
  memory: Buffer;
  length: number;
}

/**
 * Gathers a batch's records by scope into blocks: the very frames of the journal, compressed together and sealed with the
 * scope's key. The archive's rows say what there is; its blocks are the recording.
 */
export class BlockWriter {
  readonly #keys: ScopeKeys;
  readonly #insert;
  readonly #lastId;
  #nextId: number;
  #open = new Map<string, OpenBlock>();

  constructor(database: DatabaseSync, keys: ScopeKeys) {
    this.#keys = keys;
    this.#insert = database.prepare("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)");
    this.#lastId = database.prepare("SELECT max(id) AS id FROM blocks");
    this.#nextId = this.#afterLast();
  }

  /** Takes a record in. Returns the id of the block that it will be in. Only within a transaction. */
  add(scope: string, { record, frame }: Pick<Positioned, "record" | "frame">): number {
    const block = this.#blockOf(scope);
    const { memory, start, end } = frame ?? whole(frameOf(record));
    if (block.length + end - start > block.memory.length) grow(block, end - start);
    block.length += memory.copy(block.memory, block.length, start, end);
    if (block.length >= BLOCK_BYTES) {
      this.#close(scope, block);
      this.#open.delete(scope);
    }
    return block.id;
  }

  /** The id of the last block that there is. */
  get latest(): number {
    return this.#nextId - 1;
  }

  /** Writes what was taken in. Only within the same transaction. */
  flush(): void {
    for (const [scope, block] of this.#open) this.#close(scope, block);
    this.#open = new Map();
  }

  /** Forgets what was taken in since the transaction began, which was rolled back. */
  discard(): void {
    this.#open = new Map();
    this.#nextId = this.#afterLast();
  }

  #blockOf(scope: string): OpenBlock {
    const open = this.#open.get(scope);
    if (open !== undefined) return open;
    const block = { id: this.#nextId++, memory: pool.take(FIRST_BYTES), length: 0 };
    this.#open.set(scope, block);
    return block;
  }

  #close(scope: string, { id, memory, length }: OpenBlock): void {
    const key = this.#keys.ensure(scope);
    const sealed = sealBlock(key.bytes, id, scope, memory.subarray(0, length));
    pool.give(memory);
    this.#insert.run(id, scope, key.id, length, sealed);
  }

  #afterLast(): number {
    return Number(this.#lastId.get()?.id ?? 0) + 1;
  }
}

function whole(memory: Buffer) {
  return { memory, start: 0, end: memory.length };
}

function grow(block: OpenBlock, room: number): void {
  const larger = pool.take(Math.max(block.memory.length * 2, block.length + room));
  block.memory.copy(larger, 0, 0, block.length);
  pool.give(block.memory);
  block.memory = larger;
}
